"""The rate-limit meter in JupyterLab: a limit is used up, and the meter says so in words, numbers and a bar."""

import pytest

from labkit.kube import resources

pytestmark = pytest.mark.browser

WITHIN = 60_000.0
CELLS = (
    "from labkit import Lab\nlab = Lab.connect()",
    'lab.apply("manifests/limit-user.yaml")\nlab.limits()',
    'lab.send("/api/v1/products", count=20, headers={"x-user": "jason"});',
)


@pytest.fixture
def unlimited(sandbox):
    """Takes the limit away: the run's other tests share the sandbox."""
    yield
    sandbox.client.delete(resources.ENVOY_FILTERS, "limit-user", "istio-system")


def test_a_limit_that_is_used_up_is_shown_and_named(open_notebook, unlimited):
    notebook = open_notebook(cells=CELLS)
    page = notebook.page
    notebook.run_all()
    meter = page.locator(".lk-limits")
    meter.wait_for(timeout=WITHIN)
    page.wait_for_function(
        """() => [...document.querySelectorAll('.lk-limits tbody tr')]
            .some(row => Number(row.cells[4].textContent.split(' ')[0]) === 18)""",
        timeout=WITHIN,
    )
    assert meter.get_by_text("1000 per 60 s").count()
    assert meter.get_by_text("90 % of 20 refused").count()
    meter.get_by_role("button", name="Stop looking at the rate limits of istio-ingressgateway").press("Space")
    meter.get_by_text("stopped").wait_for(timeout=WITHIN)
