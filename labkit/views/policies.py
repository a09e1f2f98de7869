"""The policy matrix: who may call whom, as the policies say and as requests are answered, side by side.

It knows two callbacks, ``ask() -> cells`` and ``measure(cells) -> statuses``; recorded ones work as well.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import traitlets

from labkit.base import errors
from labkit.mesh.explain.matrix import Cell
from labkit.views import assets, live, markup

if TYPE_CHECKING:
    import pandas as pd

HEAD = ("caller", "service", "request", "policies say", "measured", "why")
REFUSED, NO_ANSWER = 403, 0

Pair = tuple[str, str]
"""Caller and service."""

Ask = Callable[[], Sequence[Cell]]
Measure = Callable[[Sequence[Cell]], Mapping[Pair, int]]


class PolicyView(live.LiveView):
    """A row per caller, a column per service; a cell opens to the policy that decided."""

    made_by = "lab.policies"
    _esm = assets.module("policies")
    _css = assets.styles("policies")

    cells: Any = traitlets.List().tag(sync=True)
    """``{"caller", "service", "request", "allowed", "status", "why", "policy", "differs"}``; a status of -1 is none."""

    measuring = traitlets.Bool(False).tag(sync=True)
    """Whether requests are under way; assigning True is what the button does."""

    message = traitlets.Unicode().tag(sync=True)

    def __init__(self, ask: Ask, measure: Measure) -> None:
        self._ask, self._measure = ask, measure
        self._guard = threading.RLock()
        super().__init__()
        self.observe(self._on_measuring, names="measuring")

    def __repr__(self) -> str:
        return markup.columns(HEAD[:-1], [row[:-1] for row in self._table()])

    def look(self) -> "PolicyView":
        """Ask the policies and measure, once, now; returns itself."""
        try:
            asked = self._ask()
            statuses = self._measure(asked)
        except errors.LabError as e:
            with self._guard:
                self.message = str(e)
            return self
        with self._guard, self.hold_sync():
            self.cells = [_cell(cell, statuses.get((cell.caller, cell.service), -1)) for cell in asked]
            self.message = "" if asked else "There is no workload that calls a service here."
        return self

    @property
    def allowed(self) -> dict[str, list[str]]:
        """Service → callers that the policies let in: ``{"details": ["productpage-v1"]}``."""
        services = dict.fromkeys(cell["service"] for cell in self.cells)
        return {
            s: [cell["caller"] for cell in self.cells if cell["service"] == s and cell["allowed"]] for s in services
        }

    @property
    def differences(self) -> list[str]:
        """Where what was measured is not what the policies say, a sentence each."""
        return [f"{cell['caller']} → {cell['service']}: {cell['differs']}" for cell in self.cells if cell["differs"]]

    def table(self) -> "pd.DataFrame":
        """The table twin as a DataFrame."""
        import pandas as pd

        pd.set_option("display.max_colwidth", None)  # the name of a rule that is cut names nothing
        return pd.DataFrame(self._table(), columns=list(HEAD))

    def static_html(self) -> str:
        """As a table, for exports and readers without widgets."""
        table = markup.table(HEAD, self._table(), caption="Who may call whom")
        return f'<div style="{markup.BOX}">{table}</div>'

    def _on_measuring(self, change: Any) -> None:
        if change["new"]:
            threading.Thread(target=self._again, name="labkit-policies", daemon=True).start()

    def _again(self) -> None:
        self.look()
        self.measuring = False

    def _table(self) -> list[tuple[object, ...]]:
        return [
            (c["caller"], c["service"], c["request"], _word(c["allowed"]), _status(c["status"]), _why(c))
            for c in self.cells
        ]


def _cell(cell: Cell, status: int) -> dict[str, Any]:
    return {
        "caller": cell.caller,
        "service": cell.service,
        "request": f"{cell.method} {cell.path}",
        "allowed": cell.is_allowed,
        "status": status,
        "why": cell.because,
        "policy": cell.policy,
        "differs": _difference(cell, status),
    }


def _difference(cell: Cell, status: int) -> str:
    """Why the answer is another one than the policies say; empty where it is that one or nobody measured."""
    if status < 0:
        return ""
    if cell.is_allowed and status == REFUSED:
        return "the policies of the service allow it, and 403 came: its application, an authorizer or another proxy"
    if cell.is_allowed and status == NO_ANSWER:
        return "the policies allow it, and no answer came: lab.mtls and lab.explain say what is on the way"
    if not cell.is_allowed and status not in (REFUSED, NO_ANSWER):
        return f"the policies refuse it, and {status} came: the call went past the sidecar, or a change is under way"
    return ""


def _word(is_allowed: bool) -> str:
    return "allowed" if is_allowed else "refused"


def _status(status: int) -> str:
    if status < 0:
        return "not measured"
    return str(status) if status else "no answer"


def _why(cell: Mapping[str, Any]) -> str:
    return f"{cell['why']}. But {cell['differs']}" if cell["differs"] else str(cell["why"])
