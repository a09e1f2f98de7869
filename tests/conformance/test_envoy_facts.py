"""Facts of a proxy's resources: what they notice, and what they leave out."""

import copy

import pytest

from labkit.conformance import answers, differences, envoy
from tests import recorded

ANSWERS = answers.Answers(recorded.ISTIO.place, with_capture=True)
REVIEWS = "outbound|9080||reviews.default.svc.cluster.local"
HOST = "outbound reviews.default.svc.cluster.local:9080"


@pytest.fixture(scope="module")
def productpage():
    """The resources of one sidecar in the base scene."""
    return ANSWERS.base["productpage"]


def changed(resources, change):
    """The names of the facts that a change of the resources changes."""
    after = copy.deepcopy(resources)
    change(after)
    before = envoy.facts(resources, with_capture=True)
    return differences.changed(before, envoy.facts(after, with_capture=True))


def route_of(resources):
    hosts = resources["routes"]["9080"]["virtual_hosts"]
    return next(h for h in hosts if h["name"] == "reviews.default.svc.cluster.local:9080")["routes"][0]


def chain_of(resources, name="virtualInbound", at=-1):
    return resources["listeners"][name]["filter_chains"][at]


def manager_of(chain):
    return next(f["typed_config"] for f in chain["filters"] if f["name"].endswith("http_connection_manager"))


def inbound(resources):
    """A chain for the pod's own port."""
    chains = resources["listeners"]["virtualInbound"]["filter_chains"]
    return next(c for c in chains if c.get("filter_chain_match", {}).get("destination_port") == 9080)


RBAC = {
    "name": "envoy.filters.http.rbac",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
        "rules": {"policies": {"p": {"permissions": [{"any": True}], "principals": [{"any": True}]}}},
    },
}


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda r: r["clusters"][REVIEWS].update(lb_policy="RANDOM"), {f"cluster {REVIEWS}"}),
        (lambda r: r["clusters"][REVIEWS].update(connect_timeout="1.5s"), {f"cluster {REVIEWS}"}),
        (lambda r: r["clusters"][REVIEWS].pop("transport_socket_matches"), {f"cluster {REVIEWS}"}),
        (
            lambda r: r["endpoints"][REVIEWS]["endpoints"][0]["lb_endpoints"][0].update(load_balancing_weight=7),
            {f"endpoints {REVIEWS}"},
        ),
        (lambda r: route_of(r)["route"].update(timeout="3s"), {HOST}),
        (lambda r: route_of(r)["match"].update(prefix="/x"), {HOST}),
        (lambda r: route_of(r)["route"].update(cluster="other"), {HOST}),
        (
            lambda r: route_of(r).update(
                response_headers_to_add=[{"header": {"key": "a", "value": "b"}, "append": False}]
            ),
            {HOST},
        ),
        (lambda r: manager_of(inbound(r))["http_filters"].insert(0, RBAC), {"inbound 9080"}),
        (
            lambda r: r["routes"]["80"]["virtual_hosts"].pop(
                next(n for n, h in enumerate(r["routes"]["80"]["virtual_hosts"]) if h["domains"] == ["*"])
            ),
            set(),
        ),
        (lambda r: r["clusters"]["PassthroughCluster"].update(type="STATIC"), {"capture PassthroughCluster"}),
        (
            lambda r: r["listeners"]["virtualOutbound"]["filter_chains"].pop(),
            {"capture virtualOutbound"},
        ),
        (lambda r: r["listeners"]["0.0.0.0_9080"].update(listener_filters=[]), {"capture 0.0.0.0_9080"}),
    ],
    ids=[
        "balancing", "connect timeout", "mutual TLS", "weight", "timeout", "match", "cluster", "headers", "RBAC",
        "other tables tell unknown hosts too", "passthrough", "chains", "inspectors",
    ],
)  # fmt: skip
def test_a_change_that_a_user_could_notice_changes_its_fact(productpage, change, names):
    assert changed(productpage, change) == names


@pytest.mark.parametrize(
    "change",
    [
        lambda r: route_of(r).update(decorator={"operation": "x"}),
        lambda r: route_of(r)["route"].update(max_grpc_timeout="1s"),
        lambda r: manager_of(inbound(r)).update(stat_prefix="x", server_name="x"),
        lambda r: r["clusters"][REVIEWS].update(alt_stat_name="x"),
        lambda r: inbound(r)["filters"].insert(0, {"name": "istio.stats", "typed_config": {"x": 1}}),
        lambda r: r["clusters"][REVIEWS]["circuit_breakers"]["thresholds"][0].update(max_retries=4294967295),
        lambda r: r["listeners"]["virtualInbound"]["listener_filters"].append(
            r["listeners"]["virtualInbound"]["listener_filters"].pop(0)
        ),
    ],
    ids=["decorator", "gRPC timeout", "display", "stat name", "Istio's filter", "no limit", "order of inspectors"],
)
def test_what_is_left_out_changes_nothing(productpage, change):
    assert changed(productpage, change) == set()


def test_the_proxy_header_counts_as_the_kernels_destination(productpage):
    def change(resources):
        filters = resources["listeners"]["virtualInbound"]["listener_filters"]
        original = next(f for f in filters if f["name"].endswith("original_dst"))
        original["name"] = "envoy.filters.listener.proxy_protocol"

    assert changed(productpage, change) == set()
