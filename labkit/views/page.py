"""A web page inside the notebook, as the kernel saw it.

The kernel fetches it and hands over the text, so it is there behind any hub or proxy and in exports too;
the live page is one click away for a browser on the same machine.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urljoin

from labkit.views import markup

Fetch = Callable[[str], tuple[int, str]]
"""``fetch(path)`` gives status and text."""

_STYLE = re.compile(r'<link\b[^>]*rel="stylesheet"[^>]*href="([^"]+)"[^>]*>')
_ICON = re.compile(r'<link\b[^>]*rel="icon"[^>]*>')
_TITLE = re.compile(r"<title>([^<]*)</title>")


@dataclass(frozen=True, kw_only=True)
class Page:
    """One answer to one request, drawn."""

    url: str
    status: int
    html: str
    """The page with its style sheets inside."""

    height: int = 900
    """Pixels of the frame."""

    def __repr__(self) -> str:
        return f"Page({self.status}, {self.title!r})"

    @property
    def title(self) -> str:
        """Its title; the first words of a text without one."""
        match = _TITLE.search(self.html)
        return match[1].strip() if match else self.html[:60].strip()

    def _repr_html_(self) -> str:
        """The page in a frame that runs no scripts and has no origin, so that it cannot reach the notebook."""
        link = f'<a href="{markup.text(self.url)}" target="_blank" rel="noopener">{markup.text(self.url)}</a>'
        return (
            f'<div style="{markup.QUIET}">{self.status} from {link}</div>'
            f'<iframe sandbox="allow-popups" title="{markup.text(self.title)}" srcdoc="{markup.text(self.html)}" '
            f'style="width:100%;max-width:60em;height:{self.height}px;border:1px solid #8884;border-radius:6px;'
            'background:#fff"></iframe>'
        )


def snapshot(url: str, path: str, fetch: Fetch, *, height: int = 900) -> Page:
    """Fetch a page and put its style sheets into it."""
    status, html = fetch(path)

    def inlined(link: re.Match[str]) -> str:
        code, css = fetch(urljoin(path, link[1]))
        return f"<style>{css.replace('</', '')}</style>" if code == 200 else ""

    return Page(url=urljoin(url, path), status=status, html=_STYLE.sub(inlined, _ICON.sub("", html)), height=height)
