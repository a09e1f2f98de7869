"""Which pods istio-cni redirects."""

import pytest

from labkit.kube.resources import Object
from labkit.mesh.ambient import enrolment

AMBIENT, NONE = {enrolment.MODE: "ambient"}, {enrolment.MODE: "none"}


def pod(labels: dict[str, str], **spec: bool) -> Object:
    return {"metadata": {"name": "web", "namespace": "shop", "labels": labels}, "spec": spec}


def namespace(labels: dict[str, str]) -> Object:
    return {"metadata": {"name": "shop", "labels": labels}}


@pytest.mark.parametrize(
    ("labels", "of_namespace", "is_enrolled"),
    [
        pytest.param({}, {}, False, id="nobody asks"),
        pytest.param({}, AMBIENT, True, id="the namespace asks"),
        pytest.param(AMBIENT, {}, True, id="the pod asks"),
        pytest.param(NONE, AMBIENT, False, id="the pod refuses"),
        pytest.param(AMBIENT, NONE, True, id="the pod's own label wins"),
        pytest.param({}, {enrolment.MODE: "Ambient"}, False, id="capitals are another word"),
        pytest.param({enrolment.MODE: "other"}, AMBIENT, True, id="an unknown word does not refuse"),
    ],
)
def test_labels_decide(labels: dict[str, str], of_namespace: dict[str, str], is_enrolled: bool) -> None:
    assert enrolment.of(pod(labels), namespace(of_namespace)).is_enrolled is is_enrolled


def test_a_pod_with_a_sidecar_stays_out() -> None:
    injected = pod(AMBIENT)
    injected["metadata"]["annotations"] = {enrolment.SIDECAR: "{}"}
    verdict = enrolment.of(injected, namespace(AMBIENT))
    assert not verdict.is_enrolled
    assert "sidecar" in verdict.reason


def test_a_pod_of_the_nodes_network_stays_out() -> None:
    assert not enrolment.of(pod({}, hostNetwork=True), namespace(AMBIENT)).is_enrolled


def test_a_pod_whose_namespace_is_not_seen_yet_stays_out() -> None:
    assert not enrolment.of(pod({}), None).is_enrolled


def test_istiod_reads_the_annotation_alone() -> None:
    waiting, redirected = pod(AMBIENT), pod({})
    redirected["metadata"]["annotations"] = enrolment.annotation(is_enrolled=True)
    assert not enrolment.is_redirected(waiting)
    assert enrolment.is_redirected(redirected)
    assert enrolment.speaks_hbone({}, {enrolment.TUNNEL: "http"})
