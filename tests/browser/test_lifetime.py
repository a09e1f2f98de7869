"""Views after a restart of their kernel, and in a reopened notebook: the last numbers, and what to do next."""

import re

import pytest

pytestmark = pytest.mark.browser

WITHIN = 60_000.0
CELLS = (
    "from labkit.views.circuits import CircuitView",
    """
row = {"service": "reviews", "subset": "v1", "port": "9080", "connections": (3, None), "waiting": (0, None),
       "requests": (0, None), "open": (), "refused": 41, "ejections": 0, "endpoints": (), "ejected": 0}
view = CircuitView("productpage", lambda: [row])  # stands for lab.circuits("productpage")
view
""",
)


def restart(page):
    """The kernel, by the menu."""
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.get_by_role("menuitem", name=re.compile("^Restart Kernel…")).first.click()
    page.locator(".jp-Dialog .jp-mod-accept").click()


def save(page):
    """From within the view, as a learner does after a click in it."""
    with page.expect_response(lambda r: r.request.method == "PUT" and "/api/contents/" in r.url, timeout=WITHIN):
        page.keyboard.press("ControlOrMeta+s")


@pytest.fixture(scope="module")
def shown(open_notebook):
    """A notebook whose view has read its rows, saved while its button has the focus."""
    notebook = open_notebook(cells=CELLS)
    notebook.run_all()
    panel = notebook.page.locator(".lk-circuits")
    panel.get_by_text("41").first.wait_for(timeout=WITHIN)
    panel.get_by_role("button", name="Stop looking at the circuits of productpage").focus()
    save(notebook.page)
    return notebook


def is_over(page):
    over = page.locator(".lk-over", has_text="This view is over")
    over.wait_for(timeout=WITHIN)
    assert 'In [2]: view = CircuitView("productpage"' in over.inner_text()
    assert page.locator(".lk-circuits").get_by_text("41").first.is_visible()
    assert page.get_by_text("Error displaying widget").count() == 0


def test_after_a_restart_of_the_kernel_a_view_says_that_it_is_over_and_which_cell_begins_again(shown):
    restart(shown.page)
    is_over(shown.page)
    assert shown.page.locator(".lk-circuits button").first.is_disabled()


def test_a_reopened_notebook_shows_the_last_numbers(shown, open_notebook):
    save(shown.page)
    name = shown.name
    shown.close()
    is_over(open_notebook(name).page)
