"""Canned frames of the views about routes and single requests."""

from collections.abc import Iterator

from labkit import traffic
from labkit.lab.gallery.exhibit import Exhibit
from labkit.mesh.explain.explanations import Destination, Explanation, Source
from labkit.traffic import canary as budget
from labkit.traffic.results import Sent
from labkit.views import browser, canary, explorer, page, split, splittable, way, windows

NOON = 1_796_040_000.0
"""2026-11-30 12:00 UTC, in seconds since the epoch."""

VERSIONS = ("v1",) * 8 + ("v2",) + ("v1",) * 8 + ("v3",) + ("v1",) * 7
"""Who answers a run of requests of which 92 % go to v1."""

SHOP = "<title>Simple Bookstore App</title><h1>The Comedy of Errors</h1><p>Reviews by v2, with black stars.</p>"

HOPS = (
    explorer.Hop(proxy="gateway", sent_to="productpage", status=200, ms=12.0, security="mutual TLS"),
    explorer.Hop(
        proxy="productpage-v1",
        sent_to="reviews v2",
        status=503,
        ms=3.0,
        start_ms=2.0,
        flags="UO,URX",
        rule="VirtualService default/reviews",
        security="mutual TLS",
    ),
)
LINES = (("gateway", '"GET /productpage HTTP/1.1" 200'),)


def exhibits() -> Iterator[Exhibit]:
    """From the page that a visitor sees to a canary."""
    yield Exhibit(heading="A page, as a visitor sees it", call="lab.page()", lesson="04", view=browser.PageView(_fetch))
    yield Exhibit(
        heading="The explorer: the answers to one request, and its way through the proxies",
        call='lab.explore().request("/productpage", count=2)',
        lesson="06",
        view=explorer.ExplorerView.of_answers(ANSWERS, explorer.Trace(hops=HOPS, lines=LINES)),
    )
    yield Exhibit(
        heading="The way that a request will take, and whose YAML decides it",
        call='lab.explain("http://reviews:9080/reviews/0", proxy="productpage-v1")',
        lesson="06",
        view=way.Way(request="GET http://reviews:9080/reviews/0", proxy="productpage-v1", explanation=EXPLANATION),
    )
    yield Exhibit(
        heading="The split: shares as asked and as measured",
        call="lab.split(v1=90, v2=5, v3=5)",
        lesson="07",
        view=split.SplitView.of_frame("reviews", {"v1": 90, "v2": 5, "v3": 5}, traffic.frame(sent(VERSIONS * 8))),
    )
    yield Exhibit(
        heading="A canary that failed too often and went back",
        call='lab.canary(stable="v1", new="v3")',
        lesson="07",
        view=rolled_back(),
    )


ANSWERS = (
    explorer.Answer(status=200, latency_ms=12.0, version="v2", request_id="5f0c6d2e-1", html=SHOP),
    explorer.Answer(status=503, latency_ms=3.0, request_id="5f0c6d2e-2", error="no healthy upstream"),
)


def destination(subset: str, *, percent: float, address: str) -> Destination:
    """A subset of reviews with one pod."""
    return Destination(
        cluster=f"outbound|9080|{subset}|reviews.default.svc.cluster.local",
        percent=percent,
        exists=True,
        endpoints=(f"{address}:9080",),
        tls="mutual TLS",
        source=Source(kind="DestinationRule", namespace="default", name="reviews"),
    )


EXPLANATION = Explanation(
    listener="0.0.0.0_15001",
    table="9080",
    virtual_host="reviews.default.svc.cluster.local:9080",
    route="canary",
    index=1,
    passed=("route 1: header end-user is not jason",),
    answer="",
    destinations=(
        destination("v1", percent=90.0, address="127.66.0.7"),
        destination("v2", percent=10.0, address="127.66.0.9"),
    ),
    source=Source(kind="VirtualService", namespace="default", name="reviews"),
)


def sent(versions: tuple[str, ...]) -> list[Sent]:
    """A good request to each of these versions, ten in a second."""
    return [
        Sent(
            time=NOON + n / 10,
            status=200,
            latency_ms=4.0 + n % 3,
            version=version,
            pod=f"reviews-{version}",
            bytes_received=379,
            error="",
        )
        for n, version in enumerate(versions)
    ]


def rolled_back() -> canary.CanaryView:
    """A canary in its last state, with the requests since."""
    view = canary.CanaryView("reviews", budget.Plan(stable="v1", new="v3"), every=None)
    tally = windows.Tally(since=0.0)
    tally.add(sent(("v1",) * 60))
    view.state, view.step = "rolled back", 1
    view.log = [
        {"time": "12:00:00", "what": "v3 gets 10 %", "why": "the first step"},
        {"time": "12:00:20", "what": "v3 gets 25 %", "why": "0 of 104 requests to v3 failed"},
        {"time": "12:00:31", "what": "v3 gets 0 %", "why": "8 of 40 requests to v3 failed, and the budget is 1 %"},
    ]
    view.rows = splittable.rows(tally.all, view.applied, versions=view.versions)
    return view


def _fetch(path: str, _: str) -> page.Page:
    # A link within the gallery: the page leads nowhere else.
    return page.Page(url=f"#{path}", status=200, html=SHOP, height=150)
