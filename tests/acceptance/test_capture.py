"""How connections of pods go on real Envoys, as people look at them: kubectl exec and curl, after public reports."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.base import waiting
from tests.kubectl import Kubectl

pytestmark = pytest.mark.sandbox

SCENE = Path(__file__).parent / "capture.yaml"
STATUS = ("curl", "-s", "-m", "8", "-o", "/dev/null", "-w", "%{http_code}")


@pytest.fixture(scope="module")
def scene(kubectl: Kubectl) -> Iterator[Kubectl]:
    """The pods of the scene, ready."""
    kubectl("apply", "-f", str(SCENE))
    try:
        kubectl("-n", "cap", "wait", "--for=condition=Ready", "pods", "--all", "--timeout=60s")
        waiting.until(
            lambda: (
                status(kubectl, "client", "api:8000/get") == "200"
                and status(kubectl, "closed", "api:8000/get") == "200"
            ),
            what="the scene",
            timeout=60,
            next_step="kubectl -n cap get pods",
        )
        yield kubectl
    finally:
        kubectl("delete", "namespace", "cap", "--wait=false")


def run(kubectl: Kubectl, pod: str, *words: str) -> str:
    """What a command printed in a pod, whatever its exit code; a pod's second container as ``POD/CONTAINER``."""
    name, _, container = pod.partition("/")
    return str(kubectl.printed("-n", "cap", "exec", name, "-c", container or "curl", "--", *words))


def status(kubectl: Kubectl, pod: str, *words: str) -> str:
    """The status that curl got: ``200``, or ``000`` for none."""
    return run(kubectl, pod, *STATUS, *words).strip()[:3]


def address(kubectl: Kubectl, kind: str, name: str) -> str:
    path = "{.spec.clusterIP}" if kind == "service" else "{.status.podIP}"
    return str(kubectl("-n", "cap", "get", kind, name, "-o", f"jsonpath={path}")).strip()


@pytest.mark.parametrize(
    ("pod", "words", "expected"),
    [
        ("client", ["api:8000/get"], "200"),
        ("client", ["api.cap.svc.cluster.local:8000/get"], "200"),
        ("client", ["SERVICE(api):8000/get"], "200"),
        ("client", ["POD(api):8080/get"], "200"),
        ("client", ["POD(lonely):8099/get"], "200"),
        ("plain", ["POD(lonely):8099/get"], "200"),
        ("plain", ["api:8000/get"], "200"),
        ("client", ["head:8080/get"], "200"),
        ("api", ["localhost:8080/get"], "200"),
        ("api/web", ["127.0.0.1:8080/get"], "200"),
        ("plain", ["localhost:8080/get"], "000"),
        ("client", ["localhost:15000/server_info"], "200"),
        ("client/istio-proxy", ["localhost:15000/config_dump"], "200"),
        ("client", ["localhost:15020/stats/prometheus"], "200"),
        ("client", ["localhost:15021/healthz/ready"], "200"),
        ("client", ["localhost:15090/stats/prometheus"], "200"),
        ("client", ["POD(api):15000/server_info"], "000"),
        ("plain", ["POD(api):15000/server_info"], "000"),
        ("client", ["wrong:8000/get"], "502"),
        ("client", ["alias.example.com/get"], "200"),
        ("client", ["excluded:8080/get"], "503"),
        ("plain", ["excluded:8080/get"], "200"),
        ("client", ["-H", "Host: own.example", "api:8000/get"], "247"),
        ("client", ["-H", "Host: xxxx", "SERVICE(api):8000/get"], "200"),
        ("closed", ["-H", "Host: xxxx", "SERVICE(api):8000/get"], "502"),
        ("closed", ["POD(lonely):8099/get"], "000"),
        ("client", ["nosuch:8000/get"], "000"),
        ("client", ["api:8001/get"], "000"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_call(scene: Kubectl, pod: str, words: list[str], expected: str) -> None:
    for kind in ("SERVICE", "POD"):
        name = words[-1].partition(f"{kind}(")[2].partition(")")[0]
        if name:
            words = [*words[:-1], words[-1].replace(f"{kind}({name})", address(scene, kind.lower(), name))]
    assert status(scene, pod, *words) == expected


def headers(kubectl: Kubectl, pod: str, *words: str) -> dict[str, list[str]]:
    """The headers that httpbin was sent."""
    result: dict[str, list[str]] = json.loads(run(kubectl, pod, "curl", "-s", *words, "api:8000/headers"))["headers"]
    return result


def test_the_host_header_travels(scene: Kubectl) -> None:
    assert headers(scene, "client", "-H", "Host: seen.example")["Host"] == ["seen.example"]


@pytest.mark.parametrize(
    ("pod", "is_meshed"), [("client", True), ("past", False), ("past-network", False), ("plain", False)]
)
def test_what_is_excluded_goes_past_the_sidecar(scene: Kubectl, pod: str, is_meshed: bool) -> None:
    assert ("X-Forwarded-Client-Cert" in headers(scene, pod)) == is_meshed


def test_tcp_and_http_take_their_own_ways(scene: Kubectl) -> None:
    assert run(scene, "client", "sh", "-c", "echo one | nc -w 3 echo 9000").strip() == "hello one"
    assert run(scene, "client", "sh", "-c", "nc -z api 8000 && echo there").strip() == "there"
    assert "bad address" in run(scene, "client", "nc", "nosuch", "80")


def test_init_containers_reach_a_service_through_the_sidecar(scene: Kubectl) -> None:
    pod = json.loads(scene("-n", "cap", "get", "pod", "client", "-o", "json"))
    states = {one["name"]: one["state"] for one in pod["status"]["initContainerStatuses"]}
    assert "running" in states["istio-proxy"]
    reasons = [states[name]["terminated"]["reason"] for name in ("by-nc", "by-name", "by-wget")]
    assert reasons == ["Completed"] * 3


def test_names_resolve(scene: Kubectl) -> None:
    assert address(scene, "service", "api") in run(scene, "client", "nslookup", "api")
    assert address(scene, "pod", "api") in run(scene, "client", "nslookup", "head.cap.svc.cluster.local")
    assert "Could not resolve host: nosuch" in run(scene, "client", "curl", "-sS", "nosuch")


def test_the_far_side_sees_the_callers_pod(scene: Kubectl) -> None:
    source = address(scene, "pod", "client")
    run(scene, "client", "curl", "-s", "api:8000/anything/remote")
    stored = waiting.until(
        lambda: [x for x in log(scene, "api") if "/anything/remote" in x],
        what="an access log line",
        timeout=60,
        next_step="kubectl -n cap logs api -c istio-proxy",
    )
    assert source in stored[0]


def log(kubectl: Kubectl, pod: str) -> list[str]:
    return str(kubectl("-n", "cap", "logs", pod, "-c", "istio-proxy")).splitlines()


def test_pilot_agent_asks_the_envoy_beside_it(scene: Kubectl) -> None:
    assert "LIVE" in run(scene, "client/istio-proxy", "pilot-agent", "request", "GET", "server_info")


def test_a_forwarded_port_is_the_pods_localhost(scene: Kubectl) -> None:
    from labkit.kube import client, forwarding

    api = client.Client.from_kubeconfig(scene.kubeconfig)
    assert "LIVE" in forwarding.page(api, "cap", "client", 15000, "server_info")
    assert "headers" in forwarding.page(api, "cap", "lonely", 8099, "get")
