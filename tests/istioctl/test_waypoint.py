"""``istioctl waypoint``: what it prints, in istioctl's words."""

from pathlib import Path

import pytest
import yaml

from labkit import istioctl


def run(*words: str):
    return istioctl.run(["waypoint", *words], kubeconfig=Path("/nowhere"))


def test_generate_prints_a_gateway_without_asking_a_cluster():
    done = run("generate", "--for", "service", "-n", "shop", "--name", "door")
    assert yaml.safe_load(done.out) == {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"labels": {"istio.io/waypoint-for": "service"}, "name": "door", "namespace": "shop"},
        "spec": {
            "gatewayClassName": "istio-waypoint",
            "listeners": [{"name": "mesh", "port": 15008, "protocol": "HBONE"}],
        },
    }


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("generate", "--for", "pods"), "invalid traffic type: pods. Valid options are: all, none, service, workload"),
        (("delete",), "either a waypoint name must be specified or delete all using --all"),
        (("delete", "a", "--all"), "cannot specify waypoint names when deleting all waypoints"),
    ],
    ids=["an unknown kind of traffic", "nothing to delete", "names beside all"],
)
def test_what_cannot_be_meant_is_refused(words: tuple[str, ...], text: str):
    done = run(*words)
    assert done.code == 1 and text in done.err
