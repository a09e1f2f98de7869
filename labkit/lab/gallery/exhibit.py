"""One view of the gallery: what it is called, the call that makes it, and the lesson in which a learner meets it."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from labkit.views import live


@runtime_checkable
class Drawn(Protocol):
    """A result that draws itself without a live page."""

    def _repr_html_(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """A view drawn from a canned frame."""

    heading: str
    call: str
    """What a learner types: ``lab.graph()``."""

    lesson: str
    """The number of the lesson that shows it first or most: ``18``."""

    view: live.LiveView | Drawn

    @property
    def html(self) -> str:
        """The view's static form."""
        return self.view.static_html() if isinstance(self.view, live.LiveView) else self.view._repr_html_()
