"""Open circuits and ejected endpoints, from the admin pages of a proxy."""

import json

import pytest

from labkit.telemetry import circuits

NAME = "outbound|9080|v1|reviews.default.svc.cluster.local"


def host(address, *, requests=0, errors=0, **health):
    return {
        "address": {"socket_address": {"address": address, "port_value": 9080}},
        "stats": [{"name": "rq_total", "value": str(requests)}, {"name": "rq_error", "value": str(errors)}],
        "health_status": {"eds_health_status": "HEALTHY", **health},
    }


def cluster(*hosts, name=NAME, **limits):
    return {"name": name, "host_statuses": list(hosts), "circuit_breakers": {"thresholds": [limits, {}]}}


def circuits_of(*clusters, stats="", service=""):
    return circuits.circuits(json.dumps({"cluster_statuses": list(clusters)}), stats, service=service)


def stat(name, value):
    return f"cluster.{NAME}.{name}: {value}\n"


def test_limits_stand_beside_what_is_in_use():
    stats = stat("upstream_cx_active", 1) + stat("upstream_rq_pending_active", 0) + stat("upstream_rq_active", 2)
    (one,) = circuits_of(cluster(max_connections=1, max_pending_requests=1, max_requests=4294967295), stats=stats)
    assert (one.connections, one.waiting, one.requests) == ((1, 1), (0, 1), (2, None))
    assert (one.service, one.port, one.subset) == ("reviews", "9080", "v1")


def test_a_gauge_says_which_limit_is_reached():
    (one,) = circuits_of(cluster(), stats=stat("circuit_breakers.default.rq_pending_open", 1))
    assert one.open == ("waiting requests",)


def test_a_connection_pool_that_is_full_is_no_open_circuit():
    (one,) = circuits_of(cluster(max_connections=1), stats=stat("circuit_breakers.default.cx_open", 1))
    assert one.open == ()


def test_the_high_priority_has_limits_of_its_own():
    (one,) = circuits_of(cluster(), stats=stat("circuit_breakers.high.rq_open", 1))
    assert one.open == ()


def test_what_was_refused_are_requests_and_not_connections():
    stats = stat("upstream_cx_overflow", 99) + stat("upstream_rq_pending_overflow", 40)
    stats += stat("upstream_rq_active_overflow", 2)
    assert circuits_of(cluster(), stats=stats)[0].refused == 42


@pytest.mark.parametrize(
    ("health", "state"),
    [
        pytest.param({}, "healthy", id="healthy"),
        pytest.param({"failed_outlier_check": True}, "ejected", id="ejected"),
        pytest.param({"failed_active_health_check": True}, "unhealthy", id="health check"),
        pytest.param({"eds_health_status": "UNHEALTHY"}, "unhealthy", id="the control plane says so"),
    ],
)
def test_an_endpoint_is_healthy_ejected_or_unhealthy(health, state):
    (one,) = circuits_of(cluster(host("127.69.0.5", requests=10, errors=4, **health)))
    assert one.endpoints == (circuits.Endpoint(address="127.69.0.5:9080", state=state, requests=10, errors=4),)
    assert one.ejected == (state == "ejected")


def test_only_what_it_sends_to_is_a_circuit():
    others = [cluster(name="inbound|9080||"), cluster(name="xds-grpc")]
    assert [c.service for c in circuits_of(cluster(), *others)] == ["reviews"]


def test_one_service_is_chosen_by_its_short_name():
    other = cluster(name="outbound|9080||reviews-old.default.svc.cluster.local")
    assert len(circuits_of(cluster(), other)) == 2 and len(circuits_of(cluster(), other, service="reviews")) == 1


def test_a_proxy_is_asked_for_two_pages():
    pages = {"clusters?format=json": json.dumps({"cluster_statuses": [cluster()]}), "stats?filter=reviews": ""}
    assert len(circuits.read(pages.__getitem__, service="reviews")) == 1


def test_they_are_data_and_a_frame():
    listed = circuits_of(cluster(host("127.69.0.5", failed_outlier_check=True)))
    assert circuits.rows(listed)[0]["ejected"] == 1 and json.dumps(circuits.rows(listed))
    assert list(circuits.frame(listed)["ejected"]) == [1]
