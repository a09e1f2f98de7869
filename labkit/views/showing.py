"""Results that change a cluster are shown where they happen, not only when they stand last in their cell."""

import sys
from typing import Protocol, Self

from labkit.views import steps


class Drawn(Protocol):
    """What can be shown: text for programs, HTML for people."""

    def _repr_html_(self) -> str: ...


class Shown:
    """A result that shows itself once in each cell: when it happens, or when it is the cell's value."""

    def shown(self) -> Self:
        """Show it now, in a notebook; returns itself."""
        if steps.in_notebook() and not _cell.has(self):
            self._ipython_display_()
        return self

    def _repr_html_(self) -> str:
        raise NotImplementedError

    def _ipython_display_(self) -> None:
        if _cell.takes(self):
            _publish(self)


class _Cell:
    """What the running cell has shown so far."""

    def __init__(self) -> None:
        self._number, self._results = -1, list[object]()

    def has(self, result: object) -> bool:
        self._begin()
        return any(other is result for other in self._results)

    def takes(self, result: object) -> bool:
        """Note a result; False where the cell has shown it before."""
        if self.has(result):
            return False
        self._results.append(result)
        return True

    def _begin(self) -> None:
        number = _execution_count()
        if number != self._number:
            self._number, self._results = number, []


_cell = _Cell()


def _execution_count() -> int:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return int(shell.execution_count) if shell else -1


def _publish(result: Drawn) -> None:
    from IPython.display import publish_display_data

    bundle = {"text/plain": repr(result), "text/html": result._repr_html_()}
    publish_display_data(bundle)  # type: ignore[no-untyped-call]
