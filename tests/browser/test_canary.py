"""A canary that goes wrong, in JupyterLab: the view takes it back by itself and says why."""

import pytest

from labkit.install import bookinfo

pytestmark = pytest.mark.browser

WITHIN = 60_000.0
CELLS = (
    "from labkit import Lab\nlab = Lab.connect()",
    'lab.apply("manifests/destination-rules.yaml")\nlab.kubectl("scale deployment reviews-v3 --replicas=0")',
    'lab.canary("reviews", stable="v1", new="v3", steps=(20, 100))',
)


@pytest.fixture
def view(open_notebook, sandbox):
    notebook = open_notebook(cells=CELLS)
    notebook.run_all()
    element = notebook.page.locator(".lk-split")
    element.wait_for(timeout=WITHIN)
    yield element
    bookinfo.deploy(sandbox.client, "default")  # all six pods again


def test_a_version_that_fails_is_taken_back_and_the_log_says_why(view):
    view.get_by_role("button", name="Begin", exact=True).press("Enter")
    view.get_by_text("rolled back", exact=True).wait_for(timeout=WITHIN)
    log = view.get_by_role("region", name="What the canary did").inner_text()
    assert "v3 gets 20 %" in log and "more than chance makes of the budget" in log
    assert view.get_by_role("slider", name="Weight of v1", exact=True).input_value() == "100"
