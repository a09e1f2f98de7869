"""The gallery: every view of the kit on one page, drawn from canned frames, without a cluster and without a script."""

from collections.abc import Iterable

from labkit.lab import chapters
from labkit.lab.gallery import limiting, observing, routing, working
from labkit.lab.gallery.exhibit import Exhibit
from labkit.views import markup

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; background: Canvas; color: CanvasText; }
body { max-width: 82em; margin: 2em auto; padding: 0 1.2em; }
section.exhibit { margin: 2.6em 0; }
h2 { font-size: 1.15em; margin: 0 0 .2em; }
.exhibit > p { margin: 0 0 .7em; opacity: .8; }
.exhibit > div { overflow-x: auto; }
table { border-collapse: collapse; margin: .3em 0; }
th, td { padding: .25em .8em .25em 0; border-bottom: 1px solid #8884; vertical-align: top; font-weight: 400; }
thead th, caption { opacity: .75; text-align: left; }
"""


def exhibits() -> list[Exhibit]:
    """Every view once, in the order of the lessons."""
    parts = (working.exhibits(), routing.exhibits(), limiting.exhibits(), observing.exhibits())
    return sorted((exhibit for part in parts for exhibit in part), key=lambda exhibit: exhibit.lesson)


def page(shown: Iterable[Exhibit]) -> str:
    """The whole page; it asks nothing of any server, and follows the reader's light or dark theme."""
    sections = "".join(map(_section, shown))
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Views of the Istio lab kit</title>'
        f"<style>{STYLE}</style></head><body><main><h1>Views of the Istio lab kit</h1>"
        "<p>Each view in its static form, from a canned frame. In a notebook most of them are live.</p>"
        f"{sections}</main></body></html>\n"
    )


def _section(exhibit: Exhibit) -> str:
    lesson = f"lesson {exhibit.lesson}, {chapters.CHAPTERS[exhibit.lesson].title}"
    return (
        f'<section class="exhibit"><h2>{markup.text(exhibit.heading)}</h2>'
        f"<p><code>{markup.text(exhibit.call)}</code>, {markup.text(lesson)}</p>"
        f"<div>{exhibit.html}</div></section>"
    )
