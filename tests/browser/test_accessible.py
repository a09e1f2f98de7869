"""Every view of the gallery, judged by axe in the light and the dark theme; none writes an error or leaves the page."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from labkit.lab import gallery
from labkit.views import live
from tools import pictures

pytestmark = pytest.mark.browser

LIVE = [exhibit for exhibit in gallery.exhibits() if isinstance(exhibit.view, live.LiveView)]
IN_A_NOTEBOOK = {"rules": {"page-has-heading-one": {"enabled": False}}}
"""The first heading of a notebook is the notebook's."""

COLOURS = {"runOnly": ["color-contrast"]}
"""All that another theme changes."""


@pytest.fixture(scope="module")
def shared_page(chromium):
    page = chromium.new_page(viewport={"width": 1100, "height": 1000})
    page.errors, page.asked = [], []
    page.on("console", lambda message: page.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    yield page
    page.close()


@pytest.fixture
def page(shared_page):
    """A page whose errors and requests are kept: ``page.errors``, ``page.asked``."""
    shared_page.errors.clear()
    shared_page.asked.clear()
    return shared_page


def violations(page: Any, options: dict[str, Any] | None = None) -> list[str]:
    """What axe finds, a line for each element."""
    answer = Axe().run(page, options=options).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {one['help']}: {node['html'][:160]} {node['failureSummary'][:300]}"
        for one in answer
        for node in one["nodes"]
    ]


def outside(page: Any) -> list[str]:
    """Requests that left the page."""
    return [url for url in page.asked if not url.startswith(("about:", "data:", "blob:"))]


def test_the_static_forms_are_clean(page):
    page.set_content(gallery.page(gallery.exhibits()))
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page, COLOURS) == []
    assert (page.errors, outside(page)) == ([], [])


@pytest.mark.parametrize("exhibit", LIVE, ids=lambda exhibit: exhibit.call.partition("(")[0])
def test_the_live_forms_are_clean(page, exhibit):
    page.set_content(pictures.still(exhibit.view))
    page.locator(".lk-view").wait_for()
    assert violations(page, IN_A_NOTEBOOK) == []
    page.add_style_tag(content=pictures.DARK)
    assert violations(page, COLOURS) == []
    assert (page.errors, outside(page)) == ([], [])
