"""What live views share: a static form, the cell that made them, and threads that end when no page shows them."""

import sys
import threading
from collections.abc import Callable
from typing import Any

import anywidget
import traitlets

from labkit.views import presence


class LiveView(anywidget.AnyWidget):
    """A widget that a page draws, with a static form for exports and a text form for programs."""

    origin = traitlets.Unicode().tag(sync=True)
    """The cell that made it, ``In [7]: lab.split(v1=90, v2=10)``: a page names it when the kernel has ended."""

    me = traitlets.Unicode().tag(sync=True)
    """Its own model's id, by which a page finds out whether the kernel still holds it."""

    made_by = ""
    """The call that makes a view of this class, ``lab.split``: it finds the line of the cell."""

    def __init__(self, **traits: Any) -> None:
        self._presence = presence.Presence()
        self._watching: threading.Event | None = None
        super().__init__(origin=origin(self.made_by), **traits)
        self.me = self.model_id or ""
        self.on_msg(self._on_message)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
        return {**data, "text/html": self.static_html(), "text/plain": repr(self)}, metadata

    def static_html(self) -> str:
        """The view as it is now, for exports and readers without widgets."""
        raise NotImplementedError

    def appears(self) -> None:
        """Called when a page begins to show the view."""

    def leaves(self) -> None:
        """Called when no page shows the view any more."""

    def watch(self, look: Callable[[], object], *, every: float) -> None:
        """Call ``look`` in a thread every so many seconds, until ``unwatch`` or until no page shows the view."""
        if self._watching is not None:
            return
        self._watching = ended = threading.Event()
        self._presence.looked()

        def loop() -> None:
            while not ended.is_set() and not self._presence.is_lost:
                look()
                ended.wait(every)
            if self._watching is ended:
                self._watching = None
                self.leaves()

        threading.Thread(target=loop, name=f"labkit-{type(self).__name__}", daemon=True).start()

    def unwatch(self) -> None:
        """End the watching."""
        if self._watching is not None:
            self._watching.set()
            self._watching = None

    def _on_message(self, _: Any, content: Any, __: Any) -> None:
        heard = self._presence.hears(content)
        if heard == "alive":
            self.send({"here": content["alive"]})
            if content.get("first"):
                self.appears()
        elif heard == "gone":
            self.leaves()


def origin(call: str) -> str:
    """The running cell as a page can name it: its number, and its line with ``call``; empty outside of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None:
        return ""
    cells = shell.user_ns.get("In") or [""]
    lines = [line.strip() for line in str(cells[-1]).splitlines() if line.strip()]
    line = next((line for line in lines if call and call in line), lines[-1] if lines else "")
    return f"In [{len(cells) - 1}]: {line}"
