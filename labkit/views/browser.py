"""A page of the application with a bar above it: reload, go elsewhere, sign in and out, as a visitor does.

It knows one callback, ``fetch(path, user) -> Page``: the kernel asks, so the page is there behind any hub or proxy.
"""

from collections.abc import Callable
from typing import Any

import traitlets

from labkit.base import errors
from labkit.views import assets, live
from labkit.views.page import Page

Fetch = Callable[[str, str], Page]
"""``fetch(path, user)``: the page as this user gets it; an empty user is nobody."""


class PageView(live.LiveView):
    """One page; links, the sign-in form and the bar's buttons fetch the next one."""

    made_by = "lab.page"
    _esm = assets.module("browser")
    _css = assets.styles("browser")

    url = traitlets.Unicode().tag(sync=True)
    """Where a browser on this machine finds it."""

    path = traitlets.Unicode().tag(sync=True)
    user = traitlets.Unicode().tag(sync=True)
    """Who is signed in; empty for nobody."""

    status = traitlets.Int(0).tag(sync=True)
    html = traitlets.Unicode().tag(sync=True)
    """The page with its style sheets inside."""

    busy = traitlets.Bool(False).tag(sync=True)
    message = traitlets.Unicode().tag(sync=True)

    def __init__(self, fetch: Fetch, *, path: str = "/productpage", user: str = "") -> None:
        self._fetch = fetch
        self._page = fetch(path, user)
        super().__init__(path=path, user=user)
        self._show(self._page)

    def __repr__(self) -> str:
        return repr(self._page)

    @property
    def title(self) -> str:
        """The page's title."""
        return self._page.title

    def go(self, path: str = "", *, user: str | None = None) -> "PageView":
        """Fetch a page, this one again without a path; ``user`` signs in, an empty one signs out. Returns itself."""
        path = path or self.path
        name = self.user if user is None else user
        self.busy, self.message = True, ""
        try:
            page = self._fetch(path, name)
        except errors.LabError as e:
            self.message = str(e)
        else:
            with self.hold_sync():
                self.path, self.user = path, name
                self._show(page)
        finally:
            self.busy = False
        return self

    def static_html(self) -> str:
        """The page as it is now, for exports."""
        return self._page._repr_html_()

    def _show(self, page: Page) -> None:
        self._page = page
        self.url, self.status, self.html = page.url, page.status, page.html

    def _on_message(self, widget: Any, content: Any, buffers: Any) -> None:
        super()._on_message(widget, content, buffers)
        wish = content.get("go") if isinstance(content, dict) else None
        if isinstance(wish, dict):
            user = wish.get("user")
            path = str(wish.get("path") or self.path)
            self.go(path if path.startswith("/") else f"/{path}", user=None if user is None else str(user).strip())
