"""The service graph in JupyterLab: never empty, and a request shows as a way that a screen reader can read."""

import pytest

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
