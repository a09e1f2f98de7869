"""The loopback forwarder: to a pod by the API server, one way a connection."""

import socket
import urllib.request
from concurrent import futures

import pytest

from labkit.base import processes, settings, waiting
from labkit.clusters import cluster, forwarder
from labkit.kube import resources

pytestmark = pytest.mark.sandbox

GATEWAY = ("istio-ingressgateway", "istio-system", 80)
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture(scope="module")
def forwarded(sandbox, tmp_path_factory):
    """Its address, and the folder of a lab that knows nothing else of the sandbox."""
    paths = settings.Paths(home=tmp_path_factory.mktemp("forwarder") / "home")
    host, port = forwarder.address(paths, cluster.Cluster(kubeconfig=sandbox.kubeconfig), *GATEWAY)
    yield paths, host, port
    forwarder.stop_all(paths)


def get(forwarded, path="/productpage"):
    _, host, port = forwarded
    request = urllib.request.Request(f"http://{host}:{port}{path}", headers={"Host": "any.example"})
    with DIRECT.open(request, timeout=60) as reply:
        return reply.status, reply.read()


def test_many_requests_at_once_reach_the_gateway(forwarded):
    with futures.ThreadPoolExecutor(8) as pool:
        assert {status for status, _ in pool.map(lambda _: get(forwarded), range(24))} == {200}


def test_it_is_one_process_that_is_found_again(forwarded, sandbox):
    paths, host, port = forwarded
    again = forwarder.address(paths, cluster.Cluster(kubeconfig=sandbox.kubeconfig), *GATEWAY)
    assert again == (host, port)
    assert len(list(paths.run.glob("forward-*.json"))) == 1


def test_a_caller_that_resets_harms_no_other(forwarded):
    _, host, port = forwarded
    rude = socket.create_connection((host, port))
    rude.sendall(b"GET /productpage HTTP/1.1\r\nHost: x\r\n")
    rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    rude.close()
    assert get(forwarded)[0] == 200


def test_it_leads_to_the_new_pod_when_the_old_one_is_gone(forwarded, sandbox):
    pods = sandbox.client.list(resources.PODS, "istio-system", labels="app=istio-ingressgateway")
    for pod in pods:
        sandbox.client.delete(resources.PODS, resources.name_of(pod), "istio-system")
    waiting.until(
        lambda: answered(forwarded), what="the gateway", timeout=30, next_step="kubectl get pods -A", every=0.1
    )


def answered(forwarded):
    try:
        return get(forwarded)[0] == 200
    except OSError:
        return False


def test_where_no_pod_is_the_caller_is_reset_at_once(sandbox, tmp_path):
    paths = settings.Paths(home=tmp_path / "home")
    address = forwarder.address(paths, cluster.Cluster(kubeconfig=sandbox.kubeconfig), "nobody", "default", 80)
    with socket.create_connection(address, timeout=60) as caller, pytest.raises(ConnectionResetError):
        caller.sendall(b"GET / HTTP/1.1\r\n\r\n")
        caller.recv(1)
    (record,) = [forwarder.records.Record(path=file) for file in paths.run.glob("forward-*.json")]
    pid = record.read()["pid"]
    assert forwarder.stop_all(paths) == 1
    assert not processes.is_alive(pid)
