"""A page in the notebook: whole, still, and unable to reach out of its frame."""

import pytest

from labkit.views import page


def pages(**texts):
    return lambda path: (200, texts[path]) if path in texts else (404, "not here")


HEAD = '<link rel="stylesheet" href="a.css"><title> Simple Bookstore App </title>'


def test_style_sheets_are_put_into_the_page():
    saved = page.snapshot("http://h", "/p/x", pages(**{"/p/x": HEAD, "/p/a.css": "p {color: red}"}))
    assert "<style>p {color: red}</style>" in saved.html and "<link" not in saved.html


def test_a_style_sheet_that_is_missing_is_left_out():
    assert page.snapshot("http://h", "/x", pages(**{"/x": HEAD})).html == "<title> Simple Bookstore App </title>"


def test_a_style_sheet_cannot_end_its_element():
    saved = page.snapshot("http://h", "/x", pages(**{"/x": HEAD, "/a.css": "</style><script>"}))
    assert "</style><script>" not in saved.html


@pytest.mark.parametrize(
    ("html", "title"), [(HEAD, "Simple Bookstore App"), ("no healthy upstream", "no healthy upstream"), ("", "")]
)
def test_it_is_known_by_its_title(html, title):
    assert repr(page.Page(url="http://h/x", status=503, html=html)) == f"Page(503, {title!r})"


def test_its_frame_runs_no_scripts_and_has_no_origin():
    shown = page.Page(url="http://h/x", status=200, html="<p>hi")._repr_html_()
    assert 'sandbox="allow-popups"' in shown and "allow-scripts" not in shown and "allow-same-origin" not in shown
