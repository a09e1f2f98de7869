"""The split view with a plan: it raises the new version's weight step by step, and takes it back on its own.

``traffic.canary`` decides; this view counts, applies what was decided, and keeps a log of why.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import traitlets

from labkit.base import errors, waiting
from labkit.traffic import canary
from labkit.views import markup, split

BLIND = 20
"""Looks in a row at which nothing at all was counted; a canary that sees nothing goes back."""

EVERY = 1.0
"""Seconds between two looks at the counts."""

NOTHING_COUNTED = (
    "No proxy counts these requests, so nothing guards the new version, and all goes to the stable one.\n"
    "Next: does the path lead to this service? lab.explain(path) tells"
)

Measure = Callable[[], canary.Window]
"""Counters by version that only grow, as a proxy keeps them."""

STATES = ("waiting", "running", "paused", "done", "rolled back")


class CanaryView(split.SplitView):
    """Steps, an error budget, and buttons to pause, go on and go back."""

    made_by = "lab.canary"

    plan: Any = traitlets.Dict().tag(sync=True)
    """``{"stable": "v1", "new": "v3", "steps": [10, …], "budget": 0.01, "enough": 100}``."""

    state = traitlets.Unicode("waiting").tag(sync=True)
    """One of STATES."""

    step = traitlets.Int(-1).tag(sync=True)
    """The number of the step it is at; -1 before the first."""

    seen: Any = traitlets.Dict().tag(sync=True)
    """``{"v3": [sent, failed], …}`` since the step began."""

    decision: Any = traitlets.Dict().tag(sync=True)
    """The last one: ``{"action": "hold", "reasons": [...]}``."""

    log: Any = traitlets.List().tag(sync=True)
    """``{"time": "12:00:01", "what": "v3 gets 10 %", "why": "…"}``, oldest first."""

    def __init__(
        self,
        service: str,
        plan: canary.Plan,
        *,
        apply: split.Apply | None = None,
        send: split.Send | None = None,
        read: split.Read | None = None,
        measure: Measure | None = None,
        every: float | None = EVERY,
    ) -> None:
        """``every`` is the seconds between two looks; None looks only when ``look`` is called."""
        self._plan, self._measure, self._every = plan, measure, every
        self._before: canary.Window | None = None
        self._settled = 0.0
        self._blind = 0
        self._looking = threading.RLock()
        self._ended = threading.Event()
        super().__init__(service, plan.weights(-1), apply=apply, send=send, read=read)
        self.plan = {
            "stable": plan.stable,
            "new": plan.new,
            "steps": list(plan.steps),
            "budget": plan.error_budget,
            "enough": plan.enough,
        }

    def __repr__(self) -> str:
        share = self.applied.get(self._plan.new, 0)
        return f"Canary({self.service}: {self._plan.new} at {share} %, {self.state})"

    def finish(self, *, timeout: float = 180.0) -> str:
        """Begin if nobody has, and wait for the end: ``done`` or ``rolled back``."""
        was_running = self.running
        self.begin()

        def is_over() -> bool:
            self._presence.looked()
            return self.state in ("done", "rolled back")

        try:
            waiting.until(
                is_over,
                what=f"the canary of {self._plan.new}",
                timeout=timeout,
                next_step="history() shows how far it came, and why",
                show=lambda _: repr(self),
            )
        finally:
            self.running = was_running
        return self.state

    # What the buttons do

    def begin(self) -> "CanaryView":
        """Send traffic and take the first step; returns itself."""
        with self._looking:
            if self.state != "waiting":
                return self
            self.start()
            if self.running and self._to_step(0, why="the first step"):
                self.state = "running"
                self._watch()
        return self

    def pause(self) -> None:
        """Take no further step; the error budget still guards."""
        self._change("running", "paused", what="paused")

    def resume(self) -> None:
        """Go on after a pause."""
        self._change("paused", "running", what="goes on")

    def advance(self) -> None:
        """Take the next step now, whatever was counted."""
        with self._looking:
            if self.state in ("running", "paused"):
                self._next(why="by hand")

    def roll_back(self) -> None:
        """Give everything back to the stable version now."""
        with self._looking:
            if self.state in ("running", "paused", "done"):
                self._back(why="by hand")

    # One look

    def look(self) -> canary.Decision | None:
        """Count, decide, act; None where nothing is to be decided."""
        with self._looking:
            if self.state not in ("running", "paused") or time.time() < self._settled:
                return None
            try:
                counted = self._count()
            except errors.LabError as e:
                self._tell(f"Nothing can be counted, so the canary waits.\n{e}")
                return None
            decided = canary.decide(self._plan, [counted])
            self._show(counted, decided)
            self._blind = 0 if sum(count.sent for count in counted.values()) else self._blind + 1
            if self._blind >= BLIND:
                self._back(why=f"no request to {self.service} was counted at {BLIND} looks in a row")
                self._tell(NOTHING_COUNTED)
                return decided
            if decided.action == "roll back":
                self._back(why="; ".join(decided.reasons))
            elif decided.action == "advance" and self.state == "running":
                self._next(why="; ".join(decided.reasons))
            return decided

    def _changed_elsewhere(self, asked: split.Asked) -> None:
        """Somebody else decides now: the canary takes no further step by itself."""
        super()._changed_elsewhere(asked)
        with self._guard:
            if self.state == "running":
                self.state = "paused"
                self._log("paused", "the weights were changed elsewhere")

    def _count(self) -> canary.Window:
        if self._measure is None:
            return self._own_counts()
        now = self._measure()
        if self._before is None:
            self._before = now
        return canary.since(now, self._before)

    def _own_counts(self) -> canary.Window:
        """What this view itself received since the change; it does not know whose a lost request was."""
        with self._guard:
            window = self._tally.all
            return {v: canary.Count(sent=window.sent_to(v), failed=window.failures[v]) for v in self.versions}

    def _next(self, *, why: str) -> None:
        if self.step + 1 < len(self._plan.steps):
            self._to_step(self.step + 1, why=why)
            return
        share = self._plan.steps[-1]
        with self._guard:
            self.state = "done"
            self._log(f"{self._plan.new} keeps {share} %", why)

    def _to_step(self, step: int, *, why: str) -> bool:
        if not self._ask(self._plan.weights(step)):
            return False
        with self._guard:
            self.step = step
            self.seen, self.decision = {}, {}
            self._log(f"{self._plan.new} gets {self._plan.steps[step]} %", why)
        return True

    def _back(self, *, why: str) -> None:
        if not self._ask(self._plan.weights(-1)):
            return
        with self._guard:
            self.state = "rolled back"
            self._log(f"rolled back: {self._plan.stable} gets 100 %", why)

    def _ask(self, weights: dict[str, int]) -> bool:
        """Whether the cluster took the weights; the view tells why not."""
        if weights == self.applied:
            return True
        if weights == self.weights:
            self._apply_weights(weights)  # it was refused before: try again
        else:
            self.weights = weights
        if self.applied != weights:
            return False
        self._before, self._settled, self._blind = None, time.time() + split.SETTLE, 0
        return True

    def _change(self, old: str, new: str, *, what: str) -> None:
        with self._looking:
            if self.state == old:
                with self._guard:
                    self.state = new
                    self._log(what, "by hand")

    def _show(self, counted: canary.Window, decided: canary.Decision) -> None:
        with self._guard, self.hold_sync():
            self.seen = {version: [count.sent, count.failed] for version, count in counted.items()}
            self.decision = {"action": decided.action, "reasons": list(decided.reasons)}

    def _tell(self, text: str) -> None:
        with self._guard:
            self.message = text

    def _log(self, what: str, why: str) -> None:
        self.log = [*self.log, {"time": time.strftime("%H:%M:%S"), "what": what, "why": why}]

    def _watch(self) -> None:
        self._ended.clear()
        if self._every is not None:
            threading.Thread(target=self._look_on, name="labkit-canary", daemon=True).start()

    def _look_on(self) -> None:
        while not self._ended.wait(self._every) and self.state in ("running", "paused"):
            self.look()

    def _end(self) -> None:
        """The traffic has stopped, so nothing can be counted: the canary pauses where it is."""
        super()._end()
        self._ended.set()
        if self.state == "running":
            with self._guard:
                self.state = "paused"
                self._log("paused", "the traffic has stopped")

    def _begin(self) -> None:
        super()._begin()
        if self.running and self.state == "paused":
            self._watch()

    def _on_message(self, widget: Any, content: Any, buffers: Any) -> None:
        super()._on_message(widget, content, buffers)
        act = {
            "begin": self.begin,
            "pause": self.pause,
            "resume": self.resume,
            "advance": self.advance,
            "roll back": self.roll_back,
        }.get(content.get("canary", "") if isinstance(content, dict) else "")
        if act is not None:
            act()

    def history(self) -> Any:
        """What it did and why, as a DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.log, columns=["time", "what", "why"])

    def static_html(self) -> str:
        """Steps, state and log, over the split's own form."""
        return static_html(self.plan, self.state, self.step, self.log) + super().static_html()


def static_html(plan: Mapping[str, Any], state: str, step: int, log: list[dict[str, str]]) -> str:
    """The canary's part of an export."""
    shares = plan.get("steps", [])
    marks = " → ".join(f"{share} %{' ✓' if n < step or state == 'done' else ''}" for n, share in enumerate(shares))
    head = f"Canary of {plan.get('new')} beside {plan.get('stable')}: {marks} ({state})"
    rows = [[entry["time"], entry["what"], entry["why"]] for entry in log]
    table = markup.table(["time", "what", "why"], rows) if rows else ""
    return f'<div style="{markup.BOX}">{markup.text(head)}{table}</div>'
