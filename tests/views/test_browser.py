"""A page with a bar: what its buttons and links ask for is fetched, and what is shown is what came."""

from labkit.base import errors
from labkit.views import browser, page


class Site:
    """Answers every path with a page that says who asked."""

    def __init__(self):
        self.asked, self.fails = [], ""

    def __call__(self, path, user):
        if self.fails:
            raise errors.LabError(self.fails)
        self.asked.append((path, user))
        return page.Page(url=f"http://shop{path}", status=200, html=f"<title>{path} for {user or 'nobody'}</title>")


def says(view, **wish):
    view._on_message(view, {"go": wish}, [])
    return view


def test_it_shows_what_it_fetched():
    view = browser.PageView(Site())
    assert (repr(view), view.status, view.url) == (
        "Page(200, '/productpage for nobody')",
        200,
        "http://shop/productpage",
    )


def test_signing_in_fetches_the_same_page_as_that_user_and_signing_out_as_nobody():
    site = Site()
    view = says(browser.PageView(site), user=" jason ")
    assert (view.title, view.user) == ("/productpage for jason", "jason")
    assert says(view, user="").title == "/productpage for nobody"


def test_a_link_keeps_the_user():
    assert says(browser.PageView(Site(), user="jason"), path="/api").title == "/api for jason"


def test_what_does_not_answer_is_said_and_the_page_stays():
    site = Site()
    view = browser.PageView(site)
    site.fails = "Nothing answers."
    assert says(view, path="/x").message == "Nothing answers."
    assert (view.path, view.title, view.busy) == ("/productpage", "/productpage for nobody", False)


def test_its_static_form_is_the_page_in_a_frame_without_scripts():
    html = browser.PageView(Site()).static_html()
    assert 'sandbox="allow-popups"' in html and "/productpage for nobody" in html
