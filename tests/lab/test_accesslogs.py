"""The way of a request, from the lines that proxies wrote of it."""

import dataclasses

import pytest

from labkit.kube import resources
from labkit.lab import accesslogs as logs
from labkit.telemetry import accesslogs

REVIEWS = "outbound|9080|v2|reviews.default.svc.cluster.local"
PODS = {"10.0.0.7": "reviews-v2-x"}


def line(**message):
    text = (
        '[2026-11-25T23:31:31.578Z] "GET /reviews/0 HTTP/1.1" 200 - via_upstream - "-" 0 4657 49 48 "-" "labkit/m1" '
        f'"id-1" "reviews:9080" "10.0.0.7:9080" {REVIEWS} 10.0.0.3:34646 10.0.0.3:15001 10.0.0.3:49402 - default'
    )
    lines = accesslogs.parse(text)
    assert lines is not None
    return dataclasses.replace(lines, **message)


CAME = {
    "outbound_.9080_._.reviews.default.svc.cluster.local": "mutual TLS",
    "": "plain text",
    "reviews.example.com": "TLS",
}


@pytest.mark.parametrize(("server_name", "security"), CAME.items(), ids=CAME.values())
def test_the_log_of_the_called_proxy_tells_how_a_request_was_sent(server_name, security):
    own = line(cluster="inbound|9080||", server_name=server_name)
    steps = [accesslogs.Step(proxy=p, line=at, text="") for p, at in (("page", line()), ("reviews-v2-x", own))]
    sent, came = logs.trace(steps, {}, PODS, {"reviews-v2": "as the rules say"}).hops
    assert (sent.security, sent.is_measured, came.security) == (security, True, "")


def test_without_a_line_of_the_called_proxy_the_rules_tell():
    steps = [accesslogs.Step(proxy="page", line=line(), text="")]
    (sent,) = logs.trace(steps, {}, {"10.0.0.7": "reviews-v2-5d8f-x"}, {"reviews-v2": "mutual TLS"}).hops
    assert (sent.security, sent.is_measured) == ("mutual TLS", False)


def route(name="default", *, of="", **action):
    path = f"/apis/networking.istio.io/v1/namespaces/default/virtual-service/{of}"
    created = {"name": name, **action}
    return {**created, "metadata": {"filter_metadata": {"istio": {"config": path}}}} if of else created


def table(*routes):
    return [{"virtual_hosts": [{"domains": ["reviews:9080"], "routes": list(routes)}]}]


SPLIT = {"route": {"weighted_clusters": {"clusters": [{"name": REVIEWS, "weight": 9}, {"name": "other", "weight": 1}]}}}
TO_REVIEWS = {"route": {"cluster": REVIEWS}}
REPLY = {"direct_response": {"status": 418}}


@pytest.mark.parametrize(
    ("routes", "text", "source"),
    [
        pytest.param([route(of="reviews", **TO_REVIEWS)], {}, "VirtualService default/reviews", id="one cluster"),
        pytest.param(
            [route(of="reviews", **SPLIT)], {}, "VirtualService default/reviews", id="one of several clusters"
        ),
        pytest.param([route(**TO_REVIEWS)], {}, "None", id="no rule"),
        pytest.param([route(of="reviews", **TO_REVIEWS)], {"route": "mine"}, "None", id="another name"),
        pytest.param([route(of="a", **TO_REVIEWS), route(of="b", **TO_REVIEWS)], {}, "None", id="one of two objects"),
        pytest.param(
            [route(of="tea", **REPLY)],
            {"cluster": "", "details": "direct_response"},
            "VirtualService default/tea",
            id="an answer of its own",
        ),
        pytest.param([route(of="tea", **REPLY)], {"cluster": "", "details": "route_not_found"}, "None", id="no route"),
        pytest.param([route(of="reviews", **TO_REVIEWS)], {"authority": "other"}, "None", id="another host"),
    ],
)
def test_the_rule_is_the_object_behind_the_route(routes, text, source):
    assert str(logs.source_of(line(**text), table(*routes))) == source


def step(proxy="page", **text):
    return accesslogs.Step(proxy=proxy, line=line(**text), text="…")


def test_a_hop_names_the_pod_and_the_rule():
    tables = {"page": table(route("mine", of="reviews", **TO_REVIEWS))}
    (hop,) = logs.trace([step(route="mine")], tables, PODS).hops
    assert (hop.sent_to, hop.rule) == ("reviews v2 (reviews-v2-x)", "VirtualService default/reviews; route mine")


def test_a_failure_says_why():
    (hop,) = logs.trace([step(flags="UF", details="upstream_reset", failure="refused")], {}, {}).hops
    assert (hop.flags, hop.rule) == ("UF", "upstream_reset; refused")


def test_an_app_has_no_rule_and_times_are_from_the_first_line_on():
    served = step("reviews", cluster="inbound|9080||", start=line().start.replace(microsecond=600_000), duration_ms=3.0)
    trace = logs.trace([step(), served], {}, PODS)
    assert [(h.sent_to, h.start_ms, h.ms) for h in trace.hops][1] == ("its app", 22.0, 3.0)
    assert trace.lines == [("page", "…"), ("reviews", "…")] and "id-1" in trace.note


@pytest.mark.parametrize(("count", "drains"), [("0", False), ("1", True)])
def test_a_proxy_with_listeners_of_before_still_drains(count, drains):
    assert logs.draining(f"listener_manager.total_listeners_draining: {count}\n") == drains
    assert not logs.draining("")


@pytest.mark.sandbox
def test_the_explorer_switches_access_logs_on_and_follows_a_request_through_every_proxy(lab):
    lab.goto("07")
    lab.access_logs(on=False)
    try:
        view = lab.explore("/api/v1/products/0/reviews").request()
        hops = [(hop["proxy"].rsplit("-", 2)[0], hop["sent_to"].split(" (")[0]) for hop in view.trace["hops"]]
        assert hops == [
            ("istio-ingressgateway", "productpage"),
            ("productpage-v1", "its app"),
            ("productpage-v1", "reviews v1"),
            ("reviews-v1", "its app"),
        ]
        assert view.trace["hops"][2]["rule"] == "VirtualService default/reviews" and len(view.trace["lines"]) == 4
    finally:
        lab.access_logs(on=False)


NOSUCH = """
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: logs, namespace: default}
spec: {accessLogging: [{providers: [{name: envoy}], filter: {expression: nosuch(response.code)}}]}
"""


@pytest.mark.sandbox
def test_what_an_envoy_refuses_is_said_with_its_reason_and_the_object(lab):
    try:
        text = repr(lab.apply(NOSUCH)).splitlines()[-1]
    finally:
        lab.delete(NOSUCH)
        for event in lab.api.list(resources.EVENTS, "default"):
            if event["involvedObject"]["kind"] == "Telemetry":
                lab.api.delete(resources.EVENTS, resources.name_of(event), "default")
    assert text.startswith("refused by 6 of 7 proxies, which keep the last good configuration: failed to create")
    assert text.endswith("step for nosuch, put down to Telemetry default/logs")
