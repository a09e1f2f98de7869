"""What the request explorer shows of a gateway's answers."""

import itertools

import pytest

from labkit.lab import exploring
from labkit.mesh.explain.explanations import Destination, Explanation, Source
from labkit.traffic import fetching
from labkit.views import explorer, way

CLUSTER = "outbound|9080|v2|reviews.default.svc.cluster.local"


def answer(text, status=200, kind="text/html; charset=utf-8", **headers):
    return fetching.Answer(status=status, text=text, headers={"content-type": kind, **headers})


def explained(*destinations, source=None, says=""):
    result = Explanation(
        listener="0.0.0.0_80",
        table="http.80",
        virtual_host="*:80",
        route="",
        index=0,
        passed=(),
        answer=says,
        destinations=destinations,
        source=source,
    )
    return way.Way(request="GET /", proxy="istio-ingressgateway-x", explanation=result)


def to(cluster=CLUSTER, percent=100.0):
    return Destination(cluster=cluster, percent=percent, exists=True, endpoints=(), tls="", source=None)


def sent(got, ask=None, follow=lambda _: explorer.Trace()):
    """What an explorer makes of one answer, or of those by path."""
    asked = []

    def fetch(path, headers):
        asked.append((path, dict(headers)))
        return got[path] if isinstance(got, dict) else got

    ticks = itertools.count()
    view = exploring.Explorer(
        lambda _: fetch, lambda _: explained(to()), follow=follow, clock=lambda: next(ticks) / 100
    )
    return view, view.send(ask or explorer.Ask(path="/a")), asked


def test_each_request_is_timed_and_has_an_id_of_its_own():
    _, result, asked = sent(answer("hi"), explorer.Ask(path="/a", headers={"x-b": "1"}, count=3))
    assert [a.latency_ms for a in result] == pytest.approx([10.0] * 3)
    assert len({a.request_id for a in result}) == 3 and all(headers["x-b"] == "1" for _, headers in asked)


def test_the_answers_own_id_counts():
    _, (result,), _ = sent(answer("hi", **{"x-request-id": "abc"}))
    assert result.request_id == "abc"


def test_a_page_comes_with_its_styles_and_the_version_that_it_names():
    html = '<link rel="stylesheet" href="/s.css">Reviews served by: <u>reviews-v2-abc-def</u>'
    _, (result,), _ = sent({"/a": answer(html), "/s.css": answer("p {}", kind="text/css")})
    assert "<style>p {}</style>" in result.html and result.version == "v2"


def test_a_refusal_in_plain_text_is_the_error_and_no_page():
    _, (result,), _ = sent(answer("no healthy upstream", 503, "text/plain"))
    assert (result.status, result.error, result.html) == (503, "no healthy upstream", "")


def test_the_gateways_part_of_the_way_is_known():
    created, (result,), _ = sent(answer("hi"))
    (hop,) = created.explain(result.request_id).hops
    assert (hop.proxy, hop.sent_to, hop.status) == ("istio-ingressgateway-x", "reviews v2", 200)


def test_the_whole_way_is_told_where_it_is_written_down():
    hops = [explorer.Hop(proxy=name, sent_to="", status=200, ms=1.0) for name in ("entry", "page")]
    marks = []
    created, (result,), asked = sent(answer("hi"), follow=lambda mark: marks.append(mark) or explorer.Trace(hops=hops))
    assert created.explain(result.request_id).hops == hops
    assert asked[0][1]["User-Agent"] == f"labkit/{marks[0]}"


def test_where_nothing_is_written_down_it_is_said_how_to_have_it():
    created, (result,), _ = sent(answer("hi"), follow=lambda _: explorer.Trace(note="lab.access_logs()"))
    told = created.explain(result.request_id)
    assert len(told.hops) == 1 and told.note.endswith("lab.access_logs()")


@pytest.mark.parametrize(
    ("result", "sent_to", "rule"),
    [
        pytest.param(
            explained(to(percent=90), to("outbound|9080|v3|reviews.default.svc.cluster.local", 10)),
            *("reviews v2 (90 %) or reviews v3 (10 %)", "no rule: the Service itself"),
            id="weights",
        ),
        pytest.param(
            explained(to(), source=Source(kind="VirtualService", namespace="default", name="bookinfo")),
            *("reviews v2", "VirtualService default/bookinfo"),
            id="a rule",
        ),
        pytest.param(explained(says="redirect to /b"), "redirect to /b", "no rule: the Service itself", id="itself"),
        pytest.param(explained(), "nowhere", "no rule: the Service itself", id="nothing fits"),
    ],
)
def test_a_hop_says_where_to_and_by_which_rule(result, sent_to, rule):
    (hop,) = exploring.trace(result, explorer.Answer(status=200, latency_ms=1.0)).hops
    assert (hop.sent_to, hop.rule) == (sent_to, rule)
