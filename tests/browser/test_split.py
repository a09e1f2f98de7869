"""The split view in JupyterLab, as a learner uses it."""

import itertools
import re
from typing import Any

import pytest

from labkit.base import settings
from labkit.traffic import judge
from labkit.views import assets

pytestmark = pytest.mark.browser

LESSON = "07-split-traffic.ipynb"
MEASURED = 200
"""Requests until the share is judged: 5 s at the view's rate."""

OWN = (
    "from labkit import Lab\nlab = Lab.connect()",
    'lab.apply("manifests/destination-rules.yaml")',
    'lab.split("reviews", v1=90, v2=10)',
)
WITHIN = 60_000.0
"""Milliseconds to wait for what follows a click."""


@pytest.fixture
def view(open_notebook) -> Any:
    """The first split view of the lesson, or of a notebook of our own where the lesson is not there."""
    is_there = (settings.CHECKOUT / "notebooks" / LESSON).exists()
    notebook = open_notebook(LESSON) if is_there else open_notebook(cells=OWN)
    notebook.run_all()
    element = notebook.page.locator(".lk-split").first
    element.wait_for(timeout=WITHIN)
    element.scroll_into_view_if_needed()
    return element


def table(view: Any) -> dict[str, int]:
    """Requests by version, from the table twin."""
    cells = view.locator("tbody tr").evaluate_all("rows => rows.map(row => [...row.cells].map(c => c.textContent))")
    return {row[0]: int(row[3]) for row in cells}


def test_the_slider_moves_the_traffic(view):
    page = view.page
    slider = view.get_by_role("slider", name="Weight of v2", exact=True)
    slider.click()
    for key in ("Home", *["PageUp"] * 3):
        page.keyboard.press(key)
    view.get_by_text("sum 100 %, applied").wait_for(timeout=WITHIN)
    assert (slider.input_value(), view.get_by_role("slider", name="Weight of v1", exact=True).input_value()) == (
        "30",
        "70",
    )
    start = view.get_by_role("button", name=re.compile("^Start sending"))
    if start.is_visible():
        start.press("Enter")
    page.wait_for_function(
        """most => [...document.querySelector('.lk-split').querySelectorAll('tbody tr')]
            .reduce((sum, row) => sum + Number(row.cells[3].textContent), 0) >= most""",
        arg=MEASURED,
        timeout=WITHIN,
    )
    view.get_by_role("button", name=re.compile("^Stop sending")).press("Enter")
    view.get_by_text("stopped").wait_for(timeout=WITHIN)
    assert judge.split(table(view), {"v1": 70, "v2": 30}).agrees


@pytest.fixture(scope="module")
def functions(chromium) -> Any:
    """Calls an exported function of the view's module: ``functions("linked", {"v1": 90}, "v1", 3)``."""
    page = chromium.new_page()
    source = assets.module("split")

    def call(name: str, *arguments: object) -> Any:
        return page.evaluate(
            """async ([source, name, given]) => {
                const url = URL.createObjectURL(new Blob([source], {type: "text/javascript"}));
                return (await import(url)).view[name](...given);
            }""",
            [source, name, list(arguments)],
        )

    yield call
    page.close()


@pytest.mark.parametrize(
    ("weights", "value", "created"),
    [
        pytest.param({"v1": 90, "v2": 10}, 70, {"v1": 70, "v2": 30}, id="two"),
        pytest.param({"v1": 50, "v2": 30, "v3": 20}, 0, {"v1": 0, "v2": 60, "v3": 40}, id="others keep proportions"),
        pytest.param({"v1": 100, "v2": 0, "v3": 0}, 40, {"v1": 40, "v2": 60, "v3": 0}, id="others were all 0"),
        pytest.param({"v1": 1, "v2": 1, "v3": 1}, 33, {"v1": 33, "v2": 34, "v3": 33}, id="they did not sum to 100"),
        pytest.param({"v1": 50, "v2": 50}, 400, {"v1": 100, "v2": 0}, id="never over 100"),
        pytest.param({"v1": 50, "v2": 50}, None, {"v1": 0, "v2": 100}, id="not a number"),
        pytest.param({"v1": 7}, 3, {"v1": 100}, id="alone"),
    ],
)
def test_linked_sliders_sum_to_100(functions, weights, value, created):
    assert functions("linked", weights, "v1", value) == created


@pytest.mark.parametrize("count", [2, 3, 7])
def test_every_common_split_sums_to_100(functions, count):
    presets = functions("presets", [f"v{n + 1}" for n in range(count)])
    assert {sum(weights.values()) for _, weights in presets} == {100}


def test_labels_of_thin_bands_do_not_lie_on_each_other(functions):
    tops = functions("spread", [200, 24, 20, 16, 12], 15, 18)
    assert all(low - high >= 15 for low, high in itertools.pairwise(tops)) and min(tops) >= 18
