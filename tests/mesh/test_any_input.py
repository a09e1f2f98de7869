"""Whatever is not valid gets a defined error, which says what is wrong with which object."""

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit.conformance import scene
from labkit.kube import manifests
from labkit.mesh import blame, compiler, model
from labkit.sandbox.istiod import messages

SCENE = [scene.with_namespace(o) for o in manifests.read(Path(__file__).with_name("golden") / "scene.yaml")]
KINDS = ("clusters", "endpoints", "listeners", "routes", "secrets")
QUICK = settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))


def told(*objects: dict[str, Any]) -> int:
    """How many resources all proxies are told; every one of them is encoded."""
    mesh = scene.snapshot([*SCENE, *map(scene.with_namespace, objects)])
    index = compiler.index(mesh)
    return sum(
        len(messages.encoded(kind, resource)) > 0
        for proxy in scene.proxies(mesh).values()
        for kind in KINDS
        for resource in getattr(index.for_proxy(proxy), kind).values()
    )


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["hosts", "http", "route", "destination", "host", "match", "uri", "servers", "port", "tls", "subsets"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


def rule(kind: str, spec: Any, group: str = "networking.istio.io/v1") -> dict[str, Any]:
    return {"apiVersion": group, "kind": kind, "metadata": {"name": "it"}, "spec": spec}


@QUICK
@given(
    st.sampled_from(["VirtualService", "DestinationRule", "Gateway", "ServiceEntry", "Sidecar", "WorkloadEntry"]),
    st.dictionaries(
        st.sampled_from(["hosts", "http", "tcp", "host", "servers", "selector", "egress", "ports"]), ANYTHING
    ),
)
def test_any_input_at_all_has_no_other_than_a_defined_error(kind: str, spec: dict[str, Any]) -> None:
    try:
        told(rule(kind, spec))
    except (blame.TranslationError, json_format.ParseError):
        return


def test_a_fault_names_the_object() -> None:
    with pytest.raises(blame.TranslationError, match="VirtualService default/it cannot be translated"):
        told(rule("VirtualService", {"hosts": ["web"], "http": [{"route": 5}]}))


def test_one_changed_object_costs_its_own_work_only() -> None:
    objects = scene.snapshot(SCENE).objects
    before = compiler.index(model.Snapshot(objects=objects))
    added = scene.with_namespace(rule("VirtualService", {"hosts": ["db"], "tcp": []}))
    after = compiler.index(model.Snapshot(objects={**objects, "virtualservices.networking.istio.io": [added]}), before)
    client = scene.proxies(before.snapshot)["client"]
    old, new = before.for_proxy(client), after.for_proxy(client)
    assert all(new.clusters[name] is cluster for name, cluster in old.clusters.items() if name.startswith("outbound"))


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("VirtualService", {"hosts": ["web"], "http": [{"route": [{"destination": {"host": "web"}}], "match": [7]}]}),
        ("VirtualService", {"hosts": ["web"], "tcp": [{"route": [{"destination": 5}]}]}),
        ("DestinationRule", {"host": "web", "trafficPolicy": {"connectionPool": [1]}}),
        ("DestinationRule", {"host": "web", "subsets": [{"labels": {}}]}),
        ("Gateway", {"servers": [{"port": 80}]}),
    ],
    ids=["match", "destination", "pool", "a-subset-without-a-name", "port"],
)
def test_a_fault_is_found_when_the_object_comes_and_not_when_it_is_asked_for(kind: str, spec: dict[str, Any]) -> None:
    objects = [*SCENE, scene.with_namespace(rule(kind, spec))]
    with pytest.raises(blame.TranslationError, match=f"{kind} default/it cannot be translated"):
        compiler.index(model.Snapshot(objects={scene.plural_of(o): [o] for o in objects}))
