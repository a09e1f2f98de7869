"""Into ambient and out of it under traffic, pods as they are and Deployments anew: no request is lost."""

from pathlib import Path

import pytest

from labkit.base import waiting
from labkit.install import injection
from labkit.kube import resources
from labkit.mesh.ambient import enrolment
from tests.acceptance.ambient import calling
from tests.acceptance.ambient.shop import Shop

pytestmark = pytest.mark.sandbox

SCENE = Path(__file__).with_name("moving.yaml")
NAMESPACE, CALLERS = "moving", ("in-ambient", "with-sidecars")
LABELS = {
    "ambient": ("istio-injection-", "istio.io/dataplane-mode=ambient"),
    "sidecars": ("istio-injection=enabled", "istio.io/dataplane-mode-"),
}


@pytest.fixture(scope="module")
def callers(mesh: Shop) -> list[Path]:
    """Folders of a pod in ambient and of one with a sidecar, which call the Service that moves."""
    mesh.kubectl("apply", "-f", str(SCENE))
    mesh.kubectl("-n", NAMESPACE, "rollout", "status", "deployment/echo", "--timeout=60s")
    for namespace in CALLERS:
        mesh.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/caller", "--timeout=60s")
    mesh.lab.wait("echo", namespace=NAMESPACE)
    return [_folder(mesh, namespace) for namespace in CALLERS]


def _folder(mesh: Shop, namespace: str) -> Path:
    pod = mesh.lab.api.get(resources.PODS, "caller", namespace)
    return mesh.state / "pods" / resources.uid_of(pod) / "run"


def _proxies(mesh: Shop) -> set[tuple[bool, bool]]:
    """Whether pods that stay have a sidecar, and whether they are in ambient."""
    pods = [p for p in mesh.lab.api.list(resources.PODS, NAMESPACE) if "deletionTimestamp" not in p["metadata"]]
    return {(injection.has_sidecar(p), enrolment.is_redirected(p)) for p in pods}


def _restart(mesh: Shop, calls: calling.Calls) -> set[tuple[bool, bool]]:
    mesh.kubectl("-n", NAMESPACE, "rollout", "restart", "deployment/echo")
    mesh.kubectl("-n", NAMESPACE, "rollout", "status", "deployment/echo", "--timeout=120s")
    before = calls.good
    waiting.until(lambda: calls.good > before + 50, what="calls of the new pods", timeout=60, next_step="wait")
    return _proxies(mesh)


def test_a_service_moves_to_ambient_and_back_under_strict_and_loses_no_request(mesh: Shop, callers: list[Path]) -> None:
    seen = []
    with calling.calling(callers, [("echo.moving.svc.cluster.local", 8000)]) as calls:
        for mode in ("ambient", "ambient", "sidecars"):
            mesh.kubectl("label", "--overwrite", "namespace", NAMESPACE, *LABELS[mode])
            seen.append(_restart(mesh, calls))
    assert seen == [{(False, True)}, {(False, True)}, {(True, False)}]
    assert calls.failed == []


def _redirected(mesh: Shop) -> int:
    pods = mesh.lab.api.list(resources.PODS, "many")
    return sum(enrolment.is_redirected(pod) for pod in pods)


def test_pods_join_and_leave_under_traffic_without_a_failed_request_or_a_restart(mesh: Shop) -> None:
    pods = mesh.lab.api.list(resources.PODS, "many")
    folders = [mesh.state / "pods" / resources.uid_of(pod) / "run" for pod in pods]
    targets = [("echo.many.svc.cluster.local", 8000), *((pod["status"]["podIP"], 8080) for pod in pods)]
    seen = []
    with calling.calling(folders, targets) as calls:
        for label, redirected in (("istio.io/dataplane-mode=ambient", len(pods)), ("istio.io/dataplane-mode-", 0)):
            mesh.kubectl("label", "namespace", "many", label)
            waiting.until(
                lambda redirected=redirected: _redirected(mesh) == redirected,  # type: ignore[misc]
                what=f"{redirected} pods of namespace many in ambient",
                timeout=60,
                next_step="kubectl -n istio-system logs daemonset/istio-cni-node",
            )
            before = calls.good
            waiting.until(lambda before=before: calls.good > before + 50, what="calls", timeout=60, next_step="wait")  # type: ignore[misc]
            seen.append(_redirected(mesh))
    assert seen == [len(pods), 0]
    assert calls.failed == []
    after = mesh.lab.api.list(resources.PODS, "many")
    assert {resources.uid_of(pod) for pod in after} == {resources.uid_of(pod) for pod in pods}
    assert all(c["restartCount"] == 0 for pod in after for c in pod["status"]["containerStatuses"])
