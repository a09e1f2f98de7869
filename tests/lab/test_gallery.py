"""The gallery: every view once, on a page that is whole in itself."""

import importlib
import json
import pkgutil
from collections import Counter
from html.parser import HTMLParser

import pytest

from labkit import cli, views
from labkit.base import settings
from labkit.exercises import verdict
from labkit.lab import gallery
from labkit.lab.doctor import report
from labkit.lab.gallery.exhibit import Exhibit
from labkit.views import browser, golden, live, looking, meter, page, picture, results, sender, showing, signals

BASES = {
    live.LiveView,
    meter.MeterView,
    picture.PictureView,
    sender.SenderView,
    showing.Shown,
    showing.Drawn,
    looking.LookingView,
    looking.PausableView,
}
PARTS = {page.Page: browser.PageView, golden.Golden: signals.SignalsView}
"""Drawings that stand inside of a view, and of which."""

REFERENCES = ("href", "src", "srcset", "action", "formaction", "data", "poster", "background")
"""Attributes that lead somewhere."""


def views_of_the_kit() -> set[type]:
    """Every class that draws itself."""
    modules = [importlib.import_module(f"labkit.views.{m.name}") for m in pkgutil.iter_modules(views.__path__)]
    classes = {
        one
        for module in (*modules, verdict, report)
        for one in vars(module).values()
        if isinstance(one, type) and one.__module__ == module.__name__
    }
    drawing = {one for one in classes if "_repr_html_" in vars(one) or issubclass(one, live.LiveView)}
    return drawing - BASES - set(PARTS)


class Page(HTMLParser):
    """What a page is made of, the pages in its frames included."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        for name, value in attrs:
            if name == "srcdoc":
                inner = Page(value or "")
                self.tags += inner.tags
                self.attributes += inner.attributes


@pytest.fixture(scope="module")
def exhibits() -> list[Exhibit]:
    return gallery.exhibits()


def test_every_view_stands_in_it_exactly_once(exhibits) -> None:
    # By name: traitlets gives an instance whose traits were added late a class of its own, of the same name.
    assert Counter(type(exhibit.view).__name__ for exhibit in exhibits) == Counter(
        one.__name__ for one in views_of_the_kit()
    )


def test_the_page_runs_no_script_and_asks_no_server(exhibits) -> None:
    text = gallery.page(exhibits)
    parsed = Page(text)
    assert not {"script", "link", "object", "embed", "base"} & set(parsed.tags)
    assert not [name for name, _ in parsed.attributes if name.startswith("on")]
    assert not [value for name, value in parsed.attributes if name in REFERENCES and not value.startswith("#")]
    assert not [word for word in ("url(", "@import") if word in text]


def test_each_section_has_its_heading_its_call_and_its_lesson(exhibits) -> None:
    text = gallery.page(exhibits)
    assert text.count('<section class="exhibit">') == len(exhibits) == len({e.heading for e in exhibits})
    assert "<code>lab.graph()</code>, lesson 18, The service graph</p>" in text


def test_the_lesson_makes_the_call(exhibits) -> None:
    for exhibit in exhibits:
        (notebook,) = (settings.CHECKOUT / "notebooks").glob(f"{exhibit.lesson}-*.ipynb")
        code = "".join("".join(cell["source"]) for cell in json.loads(notebook.read_text())["cells"])
        assert exhibit.call.partition("(")[0] + "(" in code, exhibit.call


def test_words_of_exhibits_never_become_markup() -> None:
    nasty = Exhibit(heading="<b>x", call="lab.x('<i>')", lesson="07", view=results.Note(text="<script>"))
    assert not {"b", "i", "script"} & set(Page(gallery.page([nasty])).tags)


def test_two_pages_are_equal(exhibits) -> None:
    assert gallery.page(gallery.exhibits()) == gallery.page(exhibits)


def test_the_command_writes_the_page_and_prints_where_it_is(tmp_path, capsys) -> None:
    path = tmp_path / "new" / "views.html"
    assert cli.main(["gallery", "--output", str(path)]) == 0
    assert capsys.readouterr().out.strip() == str(path)
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
