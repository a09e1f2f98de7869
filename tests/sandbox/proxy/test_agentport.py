"""Port 15020 of a proxy."""

import socket

from labkit.sandbox.istiod import lowports
from labkit.sandbox.proxy import agentport

PROBERS = {
    "/app-health/web/readyz": {"httpGet": {"path": "/ready", "port": 8080, "scheme": "HTTP"}, "timeoutSeconds": 2},
    "/app-health/web/livez": {"tcpSocket": {"port": 8081}},
    "/app-health/web/startupz": {"grpc": {"port": 8082, "service": "up"}},
}


def manager() -> dict[str, object]:
    result: dict[str, object] = agentport.listener("127.0.0.1", PROBERS)["filter_chains"][0]["filters"][0][
        "typed_config"
    ]
    return result


def test_a_probe_of_http_is_sent_to_the_app_past_its_listeners() -> None:
    routes = {r["match"]["path"]: r["route"] for r in manager()["route_config"]["virtual_hosts"][0]["routes"]}
    assert routes["/app-health/web/readyz"]["prefix_rewrite"] == "/ready"
    assert routes["/app-health/web/readyz"]["timeout"] == "2s"
    clusters = {c["name"]: c for c in agentport.clusters(PROBERS)}
    endpoint = clusters["/app-health/web/readyz"]["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
    assert endpoint["address"] == {"pipe": {"path": "8080.sock"}}


def test_probes_without_http_answer_by_the_health_of_their_cluster() -> None:
    checked = [f["typed_config"] for f in manager()["http_filters"] if f["name"].endswith("health_check")]
    assert [list(c["cluster_min_healthy_percentages"]) for c in checked] == [
        ["/app-health/web/livez"],
        ["/app-health/web/startupz"],
    ]
    clusters = {c["name"]: c for c in agentport.clusters(PROBERS)}
    assert clusters["/app-health/web/startupz"]["health_checks"][0]["grpc_health_check"] == {"service_name": "up"}


def test_metrics_are_served_on_both_ports() -> None:
    listener = agentport.listener("127.0.0.1", {})
    addresses = [listener["address"], *(a["address"] for a in listener["additional_addresses"])]
    tcp = [a["socket_address"]["port_value"] for a in addresses if "socket_address" in a]
    sockets = [a["pipe"] for a in addresses if "pipe" in a]
    assert tcp == [15020, 15090]
    assert sockets == [{"path": "15020.sock", "mode": 0o600}, {"path": "15090.sock", "mode": 0o600}]


def test_a_port_that_another_holds_could_be_had() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        assert lowports.may_be_bound("127.0.0.1", holder.getsockname()[1])
