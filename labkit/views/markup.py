"""Small pieces of HTML for results that stand in a notebook or an export. Everything put in is escaped."""

import re
from collections.abc import Iterable, Sequence
from html import escape

BOX = "border:1px solid #8884;border-radius:6px;padding:.6em .9em;max-width:60em"
QUIET = "opacity:.75"
CODE = "font-family:var(--jp-code-font-family,monospace);font-size:.92em"


def ink(colour: str) -> str:
    """A style for words in a colour: nearer to the text's own, so that it can be read on light and on dark paper."""
    return f"color:color-mix(in srgb, {colour} 60%, currentColor)"


def sent_as(security: str, *, is_measured: bool) -> str:
    """How requests are sent, and how that is known: ``mutual TLS, measured``."""
    return f"{security}, {'measured' if is_measured else 'as configured'}" if security else ""


def text(value: object) -> str:
    """Any value as text that is safe between tags and in quotes."""
    return escape(str(value), quote=True)


WHOLE_WORDS = "word-break:normal;overflow-wrap:break-word"
"""JupyterLab breaks preformatted text in the middle of words unless it is told not to."""


_COLUMNS = re.compile(r"^[A-Z][A-Z() -]* {2,}[A-Z]")
"""The head of a table of kubectl or istioctl: ``NAME    READY   STATUS``."""


def pre(value: str, *, label: str = "") -> str:
    """Preformatted text; a table of a command keeps its columns, and the box scrolls where it is too wide."""
    # Keys scroll what has the focus, and only a region may be named.
    named = f' role="region" tabindex="0" aria-label="{text(label)}"' if label else ""
    style = f"{CODE};margin:.3em 0;overflow-x:auto;{WHOLE_WORDS}"
    if _COLUMNS.search(value.partition("\n")[0]):
        style, named = f"{style};white-space:pre", named or ' tabindex="0"'
    return f'<pre style="{style}"{named}>{text(value)}</pre>'


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str = "") -> str:
    """A table with a header row; the first column of each row names it."""
    top = "".join(f'<th scope="col" style="text-align:left">{text(h)}</th>' for h in head)
    body = "".join(
        "<tr>"
        + "".join(
            f'<th scope="row" style="text-align:left">{text(cell)}</th>'
            if n == 0
            else f'<td style="text-align:left">{text(cell)}</td>'
            for n, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    named = f"<caption>{text(caption)}</caption>" if caption else ""
    return f"<table>{named}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def columns(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The same table as text, columns aligned, as kubectl prints them."""
    lines = [list(head), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(head))]
    return "\n".join(
        "   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def command(words: str) -> str:
    """The command a practitioner types, set apart."""
    return f'<div style="{QUIET}">beside it: <code>{text(words)}</code></div>' if words else ""
