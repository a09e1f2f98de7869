"""Untrusted text never becomes markup."""

import html.parser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.telemetry import liveness
from labkit.views import markup, page, results

NASTY = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>&amp;"


class Tags(html.parser.HTMLParser):
    """Collects the tags and attributes of a text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def is_safe(text: str) -> bool:
    tags = Tags(text)
    return not tags.tags & {"script", "img"} and not any(name.startswith("on") for name in tags.attributes)


@pytest.mark.parametrize(
    "created",
    [
        pytest.param(lambda t: markup.pre(t, label=t), id="pre"),
        pytest.param(lambda t: markup.table([t], [[t, t]], caption=t), id="table"),
        pytest.param(markup.command, id="command"),
        pytest.param(lambda t: page.Page(url=t, status=200, html=t)._repr_html_(), id="page"),
        pytest.param(lambda t: results.Printed(command=t, text=t)._repr_html_(), id="printed"),
        pytest.param(
            lambda t: results.Changes(
                changes=[results.Change(what=t, action=t)],
                warnings=[t],
                live=liveness.Liveness(proxies=2, live=0, refusing=(t,), waiting=(t,)),
                command=t,
            )._repr_html_(),
            id="changes",
        ),
        pytest.param(lambda t: results.Done(sentence=t, command=t, details=[t])._repr_html_(), id="done"),
        pytest.param(lambda t: results.Note(text=t)._repr_html_(), id="note"),
        pytest.param(lambda t: results.Note(text=t, is_code=True)._repr_html_(), id="code"),
    ],
)
def test_whatever_is_put_in_stays_text(created):
    assert is_safe(created(NASTY))


@given(st.text())
def test_text_has_no_character_that_ends_a_text_or_an_attribute(value):
    assert not set(markup.text(value)) & set("<>\"'")


def test_columns_are_aligned_as_kubectls():
    assert markup.columns(["NAME", "AGE"], [["reviews-v1", "3s"], ["a", 10]]) == (
        "NAME         AGE\nreviews-v1   3s\na            10"
    )


def test_a_table_names_its_columns_and_rows_for_screen_readers():
    table = markup.table(["pod", "ready"], [["a", "2/2"]])
    assert table.count('scope="col"') == 2 and table.count('scope="row"') == 1
