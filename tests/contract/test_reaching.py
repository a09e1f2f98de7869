"""Ways to a program: names and Services inside, node ports and forwarded ports from outside."""

import socket
import urllib.error
import urllib.request

import pytest

from labkit.clusters import forwarder
from labkit.install import addresses
from labkit.kube import forwarding, portforward, resources
from tests.contract.conftest import PLACE

pytestmark = pytest.mark.sandbox

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def status_of(url):
    try:
        with DIRECT.open(url, timeout=10) as reply:
            return reply.status
    except (urllib.error.URLError, OSError) as e:
        return getattr(e, "code", 0)


@pytest.mark.parametrize("name", ["web", f"web.{PLACE}", f"web.{PLACE}.svc.cluster.local"])
def test_a_service_has_names_inside_the_cluster(web, name):
    printed = web.kubectl(
        "exec", "client", "--", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"http://{name}/get"
    )
    assert printed == "200"


def test_a_name_that_is_none_is_not_resolved(web):
    assert "exit code 6" in web.kubectl("exec", "client", "--", "curl", "-s", "http://nobody.nowhere/", fails=True)


def test_a_node_port_answers_at_the_nodes_address(web):
    host, port = addresses.find(web.api, "web", PLACE, port=80, is_ingress=False)
    assert 30000 <= port <= 32767
    assert web.until(lambda: status_of(f"http://{host}:{port}/get") == 200, "the node port")


@pytest.fixture
def listener(web):
    """A port of this machine that leads to a pod of the Service."""
    listening = socket.create_server(("127.0.0.1", 0))
    one = portforward.Listener(
        web.api, PLACE, lambda: forwarder.pod_of(web.api, "web", PLACE, 80), listening=listening
    ).start()
    yield f"http://127.0.0.1:{one.port}"
    one.close()


def test_the_forwarder_leads_to_a_pod_and_to_the_next_one_when_that_is_gone(web, listener):
    assert status_of(f"{listener}/get") == 200
    web.kubectl("delete", "pod", "-l", "app=web", "--now")
    assert web.until(lambda: status_of(f"{listener}/get") == 200, "the new pods")
    web.kubectl("rollout", "status", "deploy/web", "--timeout=60s")


def test_a_caller_that_goes_away_harms_no_other(listener):
    host, _, port = listener.removeprefix("http://").partition(":")
    rude = socket.create_connection((host, int(port)))
    rude.sendall(b"GET /drip?duration=5 HTTP/1.1\r\nHost: x\r\n\r\n")
    rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    rude.close()
    assert status_of(f"{listener}/get") == 200


def test_a_port_where_nobody_listens_is_said_with_its_number(web):
    pod = resources.name_of(web.pods("app=web")[0])
    with pytest.raises(OSError, match="9999"):
        forwarding.page(web.api, PLACE, pod, 9999, "/")


def test_pages_of_pods_and_services_come_through_the_api_server(web):
    pod = resources.name_of(web.pods("app=web")[0])
    for path in (f"pods/{pod}:8080", "services/web:80", "services/http:web:http"):
        code, _, _ = web.api.raw("GET", f"/api/v1/namespaces/{PLACE}/{path}/proxy/status/418")
        assert code == 418


def test_a_program_that_has_no_such_page_is_told_apart_from_one_that_does_not_answer(web):
    pod, port = forwarder.pod_of(web.api, "web", PLACE, 80)
    with pytest.raises(forwarding.PageError) as refused:
        forwarding.page(web.api, PLACE, pod, port, "/status/404")
    assert refused.value.code == 404
    with pytest.raises(OSError):
        forwarding.page(web.api, PLACE, pod, 9, "/")
