"""A waypoint of real Envoys: routes, policies and tokens by target, and who goes around it."""

import contextlib
import re
import socket
import ssl
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from labkit.base import waiting
from labkit.clusters import cluster
from labkit.istioctl import program
from labkit.kube import resources
from labkit.lab import Lab, connection, graphing
from labkit.sandbox.istiod import authority
from labkit.sandbox.network import door
from labkit.traffic import tokens
from tests.acceptance.ambient.shop import CURL, GET_BY_CURL, NO_POST, STATUS, Shop, policy, route, rules
from tests.mesh.ambient import standing

pytestmark = pytest.mark.sandbox

HTTPBIN = "http://httpbin.shop:8000"


def test_requests_go_through_the_waypoint(shop: Shop) -> None:
    assert shop.curl(f"-s -o /dev/null -w '%header{{server}}' {HTTPBIN}/get") == "istio-envoy"
    assert shop.condition("service", "httpbin") == (
        "istio.io/WaypointBound",
        "True",
        "Successfully attached to waypoint shop/waypoint",
    )


def test_weights_and_headers_choose_versions(shop: Shop) -> None:
    v1, v2 = ({"name": f"hello-v{n}", "port": 5000} for n in (1, 2))
    shop.apply(
        route(
            {"matches": [{"headers": [{"name": "end-user", "value": "jason"}]}], "backendRefs": [v2]},
            {"backendRefs": [{**v1, "weight": 90}, {**v2, "weight": 10}]},
        )
    )
    assert shop.hellos(5, "-H 'end-user: jason'") == {"v2": 5}
    shares = shop.hellos(200)
    # Of 200 with a share of 10 %, fewer than 6 or more than 37 come once in 10,000 runs.
    assert shares.total() == 200 and 6 <= shares["v2"] <= 37


@pytest.mark.parametrize(
    "target",
    [
        pytest.param({"kind": "Service", "name": "httpbin"}, id="a Service"),
        pytest.param({"kind": "Gateway", "name": "waypoint"}, id="the waypoint"),
        pytest.param({"kind": "GatewayClass", "name": "istio-waypoint"}, id="the class, in the root namespace"),
    ],
)
def test_a_policy_by_target_refuses_a_method(shop: Shop, target: dict[str, str]) -> None:
    shop.apply(policy(NO_POST, **target))
    assert [shop.status(f"-X {method} {HTTPBIN}/anything") for method in ("GET", "POST")] == ["200", "403"]


def test_a_policy_by_principal_refuses_a_foreign_caller(shop: Shop) -> None:
    shop.apply(policy(GET_BY_CURL))
    assert shop.condition("authorizationpolicy", "decides") == ("WaypointAccepted", "True", "bound to shop/waypoint")
    assert shop.status(f"{HTTPBIN}/get") == "200"
    assert shop.status(f"{HTTPBIN}/get", namespace="far") == "403"


def test_a_service_called_by_pod_address_goes_around_the_waypoint(shop: Shop) -> None:
    shop.apply(policy(NO_POST))
    (pod,) = shop.lab.api.list(resources.PODS, "shop", labels="app=httpbin")
    around = f"http://{pod['status']['podIP']}:8080"
    assert [shop.status(f"-X POST {url}/anything") for url in (HTTPBIN, around)] == ["403", "200"]


def test_tokens_are_checked_at_the_waypoint(shop: Shop) -> None:
    token = Lab.token("alice@example.com")
    target = {"group": "", "kind": "Service", "name": "httpbin"}
    rules = [{"from": [{"source": {"requestPrincipals": ["*"]}}]}]
    shop.apply(
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "RequestAuthentication",
            "metadata": {"name": "tokens", "namespace": "shop"},
            "spec": {"targetRefs": [target], "jwtRules": [{"issuer": tokens.ISSUER, "jwks": Lab.jwks()}]},
        },
        policy({"action": "ALLOW", "rules": rules}),
    )
    asked = [f"-H 'authorization: Bearer {token}'", "", "-H 'authorization: Bearer nonsense'"]
    assert [shop.status(f"{words} {HTTPBIN}/get") for words in asked] == ["200", "403", "401"]


def test_its_metrics_name_both_ends(shop: Shop) -> None:
    shop.status(f"{HTTPBIN}/get")
    page = shop.kubectl(
        "-n",
        "shop",
        "exec",
        "deploy/waypoint",
        "-c",
        "istio-proxy",
        "--",
        "curl",
        "-s",
        "localhost:15020/stats/prometheus",
    )
    lines = [line for line in page.splitlines() if line.startswith("istio_requests_total") and "httpbin.shop" in line]
    labels = (
        'reporter="waypoint"',
        'source_workload="curl"',
        'source_principal="spiffe://cluster.local/ns/shop/sa/default"',
        'destination_workload="httpbin"',
        'destination_principal="spiffe://cluster.local/ns/shop/sa/default"',
        'response_code="200"',
        'connection_security_policy="mutual_tls"',
    )
    assert any(all(label in line for label in labels) for line in lines), page


@pytest.mark.parametrize(
    "url",
    [pytest.param("http://caller.far:8080", id="a user's program"), pytest.param(f"{HTTPBIN}/ip", id="the kit's")],
)
def test_a_program_sees_the_address_of_whoever_calls_it(shop: Shop, url: str) -> None:
    # Behind a waypoint that is the waypoint.
    label = "app=curl" if "caller" in url else "gateway.networking.k8s.io/gateway-name=waypoint"
    (pod,) = shop.lab.api.list(resources.PODS, "shop", labels=label)
    assert pod["status"]["podIP"] in shop.curl(f"-s {url}")


def test_strict_keeps_plaintext_from_every_program(shop: Shop) -> None:
    def status(app: str, port: int) -> str:
        (pod,) = shop.lab.api.list(resources.PODS, "far", labels=f"app={app}")
        call = f"curl {STATUS} http://{pod['status']['podIP']}:{port}/ || true"
        return str(shop.kubectl("-n", "outside", "exec", "outside", "--", "sh", "-c", call))

    assert status("caller", 8080) == "200"
    shop.apply(
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "PeerAuthentication",
            "metadata": {"name": "default", "namespace": "far"},
            "spec": {"mtls": {"mode": "STRICT"}},
        }
    )
    assert [status("caller", 8080), status("echo", 9000)] == ["000", "000"]
    assert shop.status("http://caller.far:8080") == "200"


def _echo(shop: Shop, namespace: str) -> socket.socket:
    """A connection of a pod to tcp-echo, as a program of that pod makes it."""
    (pod,) = shop.lab.api.list(resources.PODS, namespace, labels="app=curl")
    folder = shop.state / "pods" / resources.uid_of(pod) / "run"
    return door.connect("echo.far", 9000, {door.FOLDER: str(folder)}, within=10)


def _answer(link: socket.socket) -> str:
    try:
        link.sendall(b"again\n")
        return link.recv(100).decode()
    except OSError:
        return ""


def test_a_policy_closes_the_open_connections_that_it_forbids_and_no_others(shop: Shop) -> None:
    def deny(*principals: str) -> dict[str, Any]:
        source = {"source": {"principals": list(principals)}}
        return {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": {"name": "echo", "namespace": "far"},
            "spec": {"action": "DENY", "rules": [{"from": [source]}]},
        }

    with _echo(shop, "shop") as foreign, _echo(shop, "far") as own:
        assert [_answer(foreign), _answer(own)] == ["hello again\n"] * 2
        shop.apply(deny("cluster.local/ns/shop/sa/nobody"))
        assert [_answer(foreign), _answer(own)] == ["hello again\n"] * 2
        shop.apply(deny(CURL))
        assert [_answer(foreign), _answer(own)] == ["", "hello again\n"]


@pytest.fixture
def hbone(shop: Shop, tmp_path: Path) -> standing.Standing:
    """A hand-made client of HBONE, with certificates of the mesh's own authority."""
    secret = shop.lab.api.get(resources.SECRETS, authority.SECRET, "istio-system")
    return standing.Standing(folder=tmp_path, root=authority.Authority.from_secret(secret), log=tmp_path / "log")


def _tunnel(shop: Shop, client: standing.Standing, account: str, *, authority: str = "{ip}:9000") -> tuple[int, bytes]:
    """What ztunnel answers who asks it for tcp-echo."""
    (pod,) = shop.lab.api.list(resources.PODS, "far", labels="app=echo")
    (caller,) = shop.lab.api.list(resources.PODS, "shop", labels="app=curl")
    ip, source = pod["status"]["podIP"], caller["status"]["podIP"]
    with contextlib.closing(standing.Tunnel(client, account, source, ip)) as tunnel:
        return tunnel.connect(authority.format(ip=ip), b"again\n")


def test_ztunnel_answers_a_hand_made_client_of_hbone(shop: Shop, hbone: standing.Standing) -> None:
    source = {"source": {"principals": ["cluster.local/ns/shop/sa/default"]}}
    shop.apply(
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": {"name": "shop-alone", "namespace": "far"},
            "spec": {"rules": [{"from": [source]}]},
        }
    )
    assert _tunnel(shop, hbone, "shop/default") == (200, b"hello again\n")
    assert _tunnel(shop, hbone, "far/default")[0] == 401, "an identity that no policy allows"
    assert _tunnel(shop, hbone, "shop/default", authority="127.0.0.9:9000")[0] == 400, "another's address"
    assert _tunnel(shop, hbone, "shop/default", authority="{ip}:7")[0] == 503, "a port that nobody serves"


@pytest.mark.parametrize(
    "account", [pytest.param("", id="no certificate"), pytest.param("shop/default", id="another authority's")]
)
def test_ztunnel_speaks_to_nobody_without_a_certificate_of_the_mesh(
    shop: Shop, hbone: standing.Standing, tmp_path: Path, account: str
) -> None:
    client = standing.stranger(hbone, tmp_path) if account else hbone
    with pytest.raises((ssl.SSLError, ConnectionError)):
        _tunnel(shop, client, account)


def test_a_virtual_service_and_a_destination_rule_hold_at_the_waypoint(shop: Shop) -> None:
    subsets = [{"name": f"v{n}", "labels": {"version": f"v{n}"}} for n in (1, 2)]
    rule = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "hello", "namespace": "shop"},
        "spec": {"host": "hello", "subsets": subsets},
    }
    match = [{"headers": {"x-fault": {"exact": "yes"}}}]
    fault = {"abort": {"httpStatus": 555, "percentage": {"value": 100}}}
    to_v2 = [{"destination": {"host": "hello", "subset": "v2"}}]
    shop.apply(rule, rules("hello", {"match": match, "fault": fault, "route": to_v2}, {"route": to_v2}))
    assert shop.hellos(5) == {"v2": 5}
    assert shop.status("-H 'x-fault: yes' http://hello:5000/hello") == "555"


def test_a_grpc_route_leads_calls_of_its_method_alone(shop: Shop) -> None:
    method = {"service": "shop.Greeter", "method": "Hello"}
    header = {"add": [{"name": "x-route", "value": "grpc"}]}
    named = {"name": "httpbin", "port": 8000}
    shop.apply(
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "GRPCRoute",
            "metadata": {"name": "greeter", "namespace": "shop"},
            "spec": {
                "parentRefs": [{"group": "", "kind": "Service", **named}],
                "rules": [
                    {
                        "matches": [{"method": method}],
                        "filters": [{"type": "ResponseHeaderModifier", "responseHeaderModifier": header}],
                        "backendRefs": [named],
                    }
                ],
            },
        }
    )
    call = "-s -o /dev/null -X POST -H 'content-type: application/grpc' -w '%header{x-route} %header{grpc-status}'"
    assert shop.curl(f"{call} http://httpbin:8000/shop.Greeter/Hello").split()[0] == "grpc"
    # 12 is UNIMPLEMENTED: what Envoy makes of 404 for gRPC.
    assert shop.curl(f"{call} http://httpbin:8000/shop.Greeter/Other").split() == ["12"]


def test_a_service_entry_has_routes_and_policies_at_the_waypoint(shop: Shop) -> None:
    (pod,) = shop.lab.api.list(resources.PODS, "shop", labels="app=httpbin")
    ports = [{"number": 80, "name": "http", "protocol": "HTTP", "targetPort": 8080}]
    spec = {"hosts": ["ext.example"], "ports": ports, "resolution": "STATIC"}
    target = {"group": "networking.istio.io", "kind": "ServiceEntry", "name": "ext"}
    backend = {"group": "networking.istio.io", "kind": "Hostname", "name": "ext.example", "port": 80}
    header = {"set": [{"name": "x-by", "value": "entry"}]}
    entry = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"name": "ext", "namespace": "shop"},
        "spec": {**spec, "endpoints": [{"address": pod["status"]["podIP"]}]},
    }
    own = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "ext", "namespace": "shop"},
        "spec": {
            "parentRefs": [target],
            "rules": [
                {
                    "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": header}],
                    "backendRefs": [backend],
                }
            ],
        },
    }
    shop.apply(entry, own, policy({**NO_POST, "targetRefs": [target]}))
    assert "entry" in shop.curl("-s http://ext.example/headers")
    assert [shop.status(f"-X {method} http://ext.example/anything") for method in ("GET", "POST")] == ["200", "403"]


def test_the_waypoint_logs_what_a_telemetry_asks_for(shop: Shop) -> None:
    target = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "waypoint"}
    shop.apply(
        {
            "apiVersion": "telemetry.istio.io/v1",
            "kind": "Telemetry",
            "metadata": {"name": "logs", "namespace": "shop"},
            "spec": {"targetRefs": [target], "accessLogging": [{"providers": [{"name": "envoy"}]}]},
        }
    )
    assert shop.status(f"{HTTPBIN}/anything/logged") == "200"
    waiting.until(
        lambda: "GET /anything/logged" in shop.kubectl("-n", "shop", "logs", "deploy/waypoint"),
        what="the line",
        timeout=20,
        next_step="kubectl -n shop logs deploy/waypoint",
    )


def test_the_graph_says_who_carries_each_way(mesh: Shop) -> None:
    mesh.status(f"{HTTPBIN}/get")
    reader = graphing.Reader(connection.Connection(cluster.of_sandbox(mesh.lab.api.kubeconfig), namespace="shop"))
    carried = {
        ("shop/curl", "shop/waypoint"): "ztunnel",
        ("shop/waypoint", "shop/httpbin"): "ztunnel",
        ("shop/curl", "shop/httpbin"): "waypoint",
    }

    def missing() -> list[tuple[str, str]]:
        hops = {(way.source, way.target): totals.hops for way, totals in reader.read().totals.items()}
        return [way for way, hop in carried.items() if hop not in hops.get(way, ())]

    waiting.until(lambda: not missing(), what=f"who carries {list(carried)}", timeout=20, next_step="lab.graph()")


def test_ztunnel_counts_and_logs_connections_with_both_identities(mesh: Shop) -> None:
    address = mesh.lab.api.list(resources.PODS, "shop", labels="app=httpbin")[0]["status"]["podIP"]
    assert mesh.status(f"http://{address}:8080/get") == "200"
    ztunnel = mesh.lab.api.list(resources.PODS, "istio-system", labels="app=ztunnel")[0]
    page = waiting.until(
        lambda: _page_with(ztunnel["status"]["podIP"], "istio_tcp_connections_closed_total"),
        what="ztunnel's metrics",
        timeout=60,
        next_step="kubectl -n istio-system logs daemonset/ztunnel",
    )
    closed = [line for line in page.splitlines() if line.startswith("istio_tcp_connections_closed_total{")]
    own = [x for x in closed if 'source_workload="curl"' in x and 'destination_workload="httpbin"' in x]
    assert {x.split('reporter="')[1].split('"')[0] for x in own} == {"source", "destination"}
    assert all(f'source_principal="spiffe://{CURL}"' in x and 'policy="mutual_tls"' in x for x in own)

    def log() -> str:
        return str(mesh.kubectl("-n", "istio-system", "logs", "daemonset/ztunnel"))

    def sizes(direction: str) -> set[tuple[str, str]]:
        own = [line for line in log().splitlines() if f'src.identity="spiffe://{CURL}"' in line and address in line]
        fields = [dict(re.findall(r'(\S+?)="?([^"\s]*)', line)) for line in own if f'direction="{direction}"' in line]
        return {(each["bytes_sent"], each["bytes_recv"]) for each in fields}

    waiting.until(
        # What one end has sent the other has received.
        lambda: sizes("outbound") & {(received, sent) for sent, received in sizes("inbound")},
        what="a line of each end",
        timeout=60,
        next_step="read ztunnel's log",
    )
    assert "an Envoy in ztunnel's place" in log()


def _page_with(ip: str, name: str) -> str:
    text = urllib.request.urlopen(f"http://{ip}:15020/stats/prometheus", timeout=60).read().decode()
    return text if f"{name}{{" in text else ""


def test_istioctl_tells_ztunnels_tables(mesh: Shop) -> None:
    def asked(part: str) -> list[str]:
        done = program.run(["ztunnel-config", part], kubeconfig=mesh.lab.api.kubeconfig)
        return done.out.splitlines() if done.code == 0 else [done.err]

    curl = next(line for line in asked("workload") if line.startswith("shop") and " curl-" in line)
    assert curl.split()[-1] == "HBONE"
    assert next(line for line in asked("service") if " httpbin " in line).split()[3:] == ["waypoint", "1/1"]
    assert asked("policy")[0].split() == ["NAMESPACE", "POLICY", "NAME", "ACTION", "SCOPE"]
    assert any(f"spiffe://{CURL} " in line for line in asked("certificate"))
    assert "keeps no list of its connections" in asked("connections")[0]
    ztunnel = mesh.lab.api.list(resources.PODS, "istio-system", labels="app=ztunnel")[0]
    words = ["proxy-config", "listeners", f"{resources.name_of(ztunnel)}.istio-system"]
    assert "in ztunnel's place" in program.run(words, kubeconfig=mesh.lab.api.kubeconfig).err


def test_coming_up_again_keeps_the_profile(mesh: Shop) -> None:
    mesh.come_up()
    assert '"PILOT_ENABLE_AMBIENT"' in mesh.kubectl("-n", "istio-system", "get", "deploy/istiod", "-o", "json")
