"""Signals, logs and traces in JupyterLab: traffic changes, and the page that a screen reader reads changes with it."""

import pytest

from labkit.kube import resources

pytestmark = pytest.mark.browser

WITHIN = 60_000.0
CELLS = (
    'from labkit import Lab\nlab = Lab.connect()\nlab.install_addon("prometheus")\nlab.install_addon("jaeger")',
    "lab.tracing()\nlab.traced()",
    'lab.tracing(on=False)\nlab.access_logs()\nlab.logs(follow=True, path="/nothing-", last=0)',
    "lab.golden()",
    'lab.send("/nothing-here")\nlab.send("/productpage", count=60, rate=20);',
)


@pytest.fixture
def quiet_mesh(sandbox):
    """Takes the Telemetries away: the run's other tests share the sandbox."""
    yield
    for name in ("access-logs", "tracing"):
        sandbox.client.delete(resources.TELEMETRIES, name, "istio-system")


def test_a_change_of_the_traffic_shows_in_logs_signals_and_traces(open_notebook, quiet_mesh):
    notebook = open_notebook(cells=CELLS)
    page = notebook.page
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    notebook.run_all()

    logs = page.locator(".lk-logs")
    line = logs.get_by_role("button", name="Explain the line of istio-ingressgateway")
    line.first.wait_for(timeout=WITHIN)
    assert logs.get_by_role("row", name="GET /nothing-here").get_by_text("✗ 404").count() == 1
    line.first.press("Enter")
    chosen = logs.get_by_role("region", name="The chosen line")
    chosen.get_by_role("row", name="response_flags NR Envoy's reason: no route matches").wait_for(timeout=WITHIN)
    logs.get_by_role("textbox", name="Flag").fill("UF")
    logs.get_by_text("0 of").first.wait_for(timeout=WITHIN)
    logs.get_by_role("button", name="Stop following the access logs").press("Space")
    logs.get_by_text("paused").wait_for(timeout=WITHIN)

    signals = page.locator(".lk-signals")
    page.wait_for_function(
        """() => /[1-9][0-9.]* requests per second/.test(document.querySelector(".lk-signals .lk-told").textContent)""",
        timeout=WITHIN,
    )
    assert signals.get_by_role("img", name="requests per second: now sent").count() == 1

    trace = page.get_by_role("region", name="Trace ")
    row = trace.locator("summary").filter(has_text="reviews.default").first
    row.press("Enter")
    trace.get_by_role("rowheader", name="http.status_code").first.wait_for(timeout=WITHIN)
    assert errors == []
