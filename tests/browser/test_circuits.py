"""The circuit panel in JupyterLab: a limit of one connection opens a circuit, and the panel says which."""

import pytest

pytestmark = pytest.mark.browser

WITHIN = 60_000.0
CELLS = (
    "from labkit import Lab\nlab = Lab.connect()",
    'lab.apply("manifests/destination-rules.yaml")\nlab.circuits("productpage", service="reviews")',
)
# Ratings that take a second keep the one connection to reviews in use, however fast the machine is.
LIMITED = """
delay = {"fixedDelay": "1s", "percentage": {"value": 100}}
slow = {"fault": {"delay": delay}, "route": [{"destination": {"host": "ratings"}}]}
lab.apply({
    "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "ratings"},
    "spec": {"hosts": ["ratings"], "http": [slow]},
})
one = {"tcp": {"maxConnections": 1}, "http": {"http1MaxPendingRequests": 1}}
rule = lab.api.get(lab_resources.DESTINATION_RULES, "reviews", "default")
lab.apply({
    "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": "reviews"},
    "spec": {**rule["spec"], "trafficPolicy": {"connectionPool": one}},
})
lab.send("/api/v1/products/0/reviews", count=32);
"""


def test_a_limit_that_is_reached_is_shown_and_named(open_notebook):
    notebook = open_notebook(cells=(*CELLS, "from labkit.kube import resources as lab_resources" + LIMITED))
    page = notebook.page
    notebook.run_all()
    panel = page.locator(".lk-circuits")
    panel.wait_for(timeout=WITHIN)
    page.wait_for_function(
        """() => [...document.querySelectorAll('.lk-circuits tbody tr')]
            .some(row => Number(row.cells[5].textContent.split(' ')[0]) > 0)""",
        timeout=WITHIN,
    )
    assert panel.get_by_text("of 1").count() and panel.get_by_text("✓ 127.").count()
    button = panel.get_by_role("button", name="Stop looking at the circuits of productpage")
    button.press("Space")
    panel.get_by_text("stopped").wait_for(timeout=WITHIN)
