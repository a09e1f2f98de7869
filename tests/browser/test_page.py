"""A page of the application in JupyterLab: signing in works, and nothing of the page runs."""

import pytest

pytestmark = pytest.mark.browser

WITHIN = 60_000.0
CELL = """
from labkit.views.browser import PageView
from labkit.views.page import Page

FORM = '<form method="post" action="login"><input name="username"><button>Sign in</button></form>'
TALL = '<div style="height:1500px">tall</div><p>the end</p><script>document.body.textContent = "ran"</script>'

def fetch(path, user):
    head = f'<p>Signed in as {user}</p><a href="logout">Sign out</a>' if user else FORM
    return Page(url=f"http://shop{path}", status=200, html=f'<h1>{path}</h1>{head}<a href="other">On</a>{TALL}')

PageView(fetch)
"""


@pytest.fixture(scope="module")
def view(open_notebook):
    notebook = open_notebook(cells=(CELL,))
    notebook.run_all()
    element = notebook.page.locator(".lk-browser")
    element.wait_for(timeout=WITHIN)
    return element


def test_the_pages_own_form_signs_in_and_its_link_signs_out(view):
    frame = view.frame_locator("iframe")
    frame.get_by_role("textbox").fill("jason")
    frame.get_by_role("button", name="Sign in").click()
    frame.get_by_text("Signed in as jason").wait_for(timeout=WITHIN)
    assert view.get_by_label("User").input_value() == "jason"
    frame.get_by_text("Sign out").click()
    frame.get_by_role("button", name="Sign in").wait_for(timeout=WITHIN)


def test_a_link_leads_on_and_the_bar_shows_where(view):
    view.frame_locator("iframe").get_by_text("On", exact=True).click()
    view.frame_locator("iframe").get_by_role("heading", name="/other").wait_for(timeout=WITHIN)
    assert view.get_by_label("Path").input_value() == "/other"


def test_the_frame_is_as_high_as_the_page_and_its_scripts_do_not_run(view):
    view.page.wait_for_function("document.querySelector('.lk-browser iframe').clientHeight > 1500", timeout=WITHIN)
    assert view.frame_locator("iframe").get_by_text("the end").count() == 1
