"""The service graph in JupyterLab: never empty, and a request shows as a way that a screen reader can read."""

import itertools

import pytest

from labkit.telemetry import graph as counted
from labkit.telemetry.flows import Node
from labkit.views import graph
from tools import pictures

pytestmark = pytest.mark.browser

WITHIN = 60_000.0
CELLS = ("from labkit import Lab\nlab = Lab.connect()", "lab.graph()")


def test_what_is_deployed_is_drawn_and_requests_show_on_their_ways(open_notebook):
    notebook = open_notebook(cells=CELLS)
    notebook.run_all()
    graph = notebook.page.locator(".lk-graph")
    graph.get_by_role("button", name="default/productpage-v1: 1 of 1 pods ready").wait_for(timeout=WITHIN)
    graph.get_by_text("No request since this view began").wait_for(timeout=WITHIN)
    graph.get_by_role("button", name="Send 10 requests per second for /productpage").press("Enter")
    way = graph.get_by_role("button", name="istio-system/istio-ingressgateway to default/productpage-v1")
    way.wait_for(timeout=WITHIN)
    way.press("Enter")
    graph.get_by_role("region", name="The chosen way").get_by_text("requests per second").first.wait_for(timeout=WITHIN)
    graph.get_by_role("button", name="default/reviews-v1: 1 of 1 pods ready").press("Enter")
    proxy = graph.get_by_role("region", name="The chosen workload")
    proxy.get_by_role("row", name="istiod connected").wait_for(timeout=WITHIN)
    graph.get_by_role("button", name="Stop sending requests").press("Space")
    graph.get_by_text("looking").wait_for(timeout=WITHIN)


def test_no_label_of_fifty_workloads_hides_a_box_or_another_label(chromium):
    names = [f"shop/service{number}" for number in range(50)]
    nodes = [Node(name=name, app="", pods=1, ready=1, has_proxy=True) for name in names]
    ways = {(names[at // 3], names[at]) for at in range(1, 50)} | {(names[at], names[-at]) for at in range(1, 20, 2)}
    totals = {counted.Way(*way): counted.Totals(requests=5, failed=n % 4) for n, way in enumerate(sorted(ways))}
    view = graph.GraphView(lambda: graph.Reading(nodes=nodes, totals={}), every=None)
    view.take(graph.Reading(nodes=nodes, totals={}), now=1.0)
    view.take(graph.Reading(nodes=nodes, totals=totals), now=2.0)
    page = chromium.new_page(viewport={"width": 1400, "height": 1000})
    page.set_content(pictures.still(view))
    page.locator(".lk-graph .lk-chip").first.wait_for()
    places = page.locator(".lk-graph :is(.lk-chip:visible, .lk-node) > rect")
    drawn = [place for place in (rect.bounding_box() for rect in places.all()) if place]
    page.close()
    assert len(drawn) > 50 + len(ways) * 0.8
    assert [pair for pair in itertools.combinations(drawn, 2) if overlap(*pair)] == []


def overlap(one, other):
    """Whether two rectangles share more than a border."""
    return all(
        one[side] + 1 < other[side] + other[length] and other[side] + 1 < one[side] + one[length]
        for side, length in (("x", "width"), ("y", "height"))
    )
