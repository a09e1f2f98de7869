"""What people do with a pod: copy files, debug it, ask the API server from inside, roll out a tag that is not there."""

import os
from pathlib import Path

import pytest

from labkit.sandbox.kubelet import isolation

pytestmark = pytest.mark.sandbox

NAMESPACE = "containers"

PLAIN = """
apiVersion: v1
kind: Pod
metadata: {name: plain, namespace: containers, labels: {app: plain}}
spec:
  hostname: my-host
  containers:
  - {name: main, image: "curlimages/curl:8.16.0", command: [sleep, infinity]}
"""


@pytest.fixture(scope="module")
def plain(kubectl):
    """A pod without a sidecar, in a namespace of its own."""
    kubectl("create", "namespace", NAMESPACE)
    kubectl("apply", "-f", "-", stdin=PLAIN)
    kubectl("-n", NAMESPACE, "wait", "pod/plain", "--for=condition=Ready", "--timeout=60s")
    yield
    kubectl("delete", "namespace", NAMESPACE)


@pytest.fixture
def inside(kubectl, plain):
    """Run a shell text in the pod."""
    return lambda text: kubectl("-n", NAMESPACE, "exec", "plain", "--", "sh", "-c", text)


def test_files_are_copied_in_and_out_and_nothing_appears_on_the_machine(kubectl, inside, tmp_path):
    mark, source, back = f"labkit-{os.getpid()}", tmp_path / "source", tmp_path / "back"
    source.write_text("payload")
    kubectl("cp", str(source), f"{NAMESPACE}/plain:/tmp/{mark}")
    kubectl("cp", f"{NAMESPACE}/plain:/tmp/{mark}", str(back))
    assert back.read_text() == "payload"
    assert not Path(f"/tmp/{mark}").exists()
    if isolation.is_possible():
        assert inside(f"cat /tmp/{mark}") == "payload"
        inside(f"echo more > /tmp/{mark}-2")
        assert not Path(f"/tmp/{mark}-2").exists()


@pytest.mark.parametrize(
    "host", ["kubernetes.default.svc", "kubernetes.default.svc.cluster.local:443", "10.96.0.1"], ids=str
)
def test_the_api_server_is_reached_by_its_service(inside, host):
    account = "/var/run/secrets/kubernetes.io/serviceaccount"
    root = "$LABKIT_ROOT" if not isolation.is_possible() else ""
    answer = inside(
        f'curl -s -m 10 --cacert {root}{account}/ca.crt -H "Authorization: Bearer $(cat {root}{account}/token)" '
        f"https://{host}/api"
    )
    assert '"kind":"APIVersions"' in answer.replace(" ", "")


def test_a_debugger_sees_the_pods_network(kubectl, plain):
    kubectl("-n", NAMESPACE, "debug", "plain", "--image=busybox", "-c", "debugger", "--", "echo", "hi")
    kubectl(
        *("-n", NAMESPACE, "wait", "pod/plain", "--timeout=60s"),
        "--for=jsonpath={.status.ephemeralContainerStatuses[0].state.terminated.exitCode}=0",
    )
    assert kubectl("-n", NAMESPACE, "logs", "plain", "-c", "debugger") == "hi\n"


def test_a_rollout_to_a_tag_that_does_not_exist_stops_and_the_old_pod_serves(kubectl, plain):
    image = "docker.io/istio/examples-bookinfo-ratings-v1"
    kubectl("-n", NAMESPACE, "create", "deployment", "tag", f"--image={image}:1.20.3")
    kubectl("-n", NAMESPACE, "rollout", "status", "deployment/tag", "--timeout=60s")
    kubectl("-n", NAMESPACE, "set", "image", "deployment/tag", f"examples-bookinfo-ratings-v1={image}:1.161-typo")
    stuck = kubectl("-n", NAMESPACE, "rollout", "status", "deployment/tag", "--timeout=3s", fails=True)
    assert "timed out" in stuck
    available = kubectl("-n", NAMESPACE, "get", "deployment/tag", "-o", "jsonpath={.status.availableReplicas}")
    assert available == "1"
    events = kubectl("-n", NAMESPACE, "get", "events", "-o", "jsonpath={.items[*].message}")
    assert f"{image}:1.161-typo: not found" in events
