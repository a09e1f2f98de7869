"""The way of a request, drawn from explanations made by hand."""

from dataclasses import replace

from labkit.mesh.explain.explanations import Destination, Explanation, Source
from labkit.views import way

RULE = Source(kind="VirtualService", namespace="default", name="reviews")
V2 = Destination(
    cluster="outbound|9080|v2|reviews",
    percent=10.0,
    exists=True,
    endpoints=("127.66.0.9:9080",),
    tls="mutual TLS",
    source=None,
)
FOUND = Explanation(
    listener="0.0.0.0_15001",
    table="http_proxy",
    virtual_host="reviews:9080",
    route="canary",
    index=1,
    passed=("route 0: header end-user is not jason",),
    answer="",
    destinations=(V2,),
    source=RULE,
)


def drawn(result):
    return repr(way.Way(request="GET http://reviews:9080/", proxy="productpage-v1.default", explanation=result))


def test_every_step_is_there_with_the_object_behind_it():
    text = drawn(FOUND)
    assert "number 2, canary" in text
    assert "VirtualService default/reviews" in text
    assert "10 % to outbound|9080|v2|reviews, mutual TLS" in text
    assert "127.66.0.9:9080" in text


def test_a_rule_that_was_passed_says_what_it_missed():
    assert "header end-user is not jason" in drawn(FOUND)


def test_a_cluster_that_does_not_exist_is_a_503():
    text = drawn(replace(FOUND, destinations=(replace(V2, exists=False),)))
    assert "which does not exist: 503" in text


def test_nobody_ready_is_a_503_too():
    assert "none is ready: 503" in drawn(replace(FOUND, destinations=(replace(V2, endpoints=()),)))


def test_no_route_and_no_host_are_a_404():
    assert "none fits: 404" in drawn(replace(FOUND, index=-1, answer="404"))
    assert "none of http_proxy has this host: 404" in drawn(replace(FOUND, virtual_host=""))


def test_names_never_become_markup():
    html = way.Way(request="GET http://<b>/", proxy="p", explanation=FOUND)._repr_html_()
    assert "<b>/" not in html
