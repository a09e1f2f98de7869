"""The split view: asked shares on sliders, observed shares beside them, live.

The view knows three callbacks: ``apply(weights) -> YAML``, ``send(on_batch) -> stop``, and ``read() -> Asked`` for what
the cluster asks for now, whoever changed it. A recorded frame works as well. ``split.js`` draws what the traits say and
keeps no state of its own.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import traitlets

from labkit.base import errors, waiting
from labkit.traffic import judge
from labkit.views import assets, rules, sender, splittable, windows

SETTLE = 1.0
"""Seconds after a change before requests count: every proxy has the new weights by then (0.1 s on the sandbox)."""

Weights = Mapping[str, int]
Apply = Callable[[Weights], str]
OnBatch = Callable[[Sequence[windows.Record]], None]
Send = Callable[[OnBatch], Callable[[], None]]

FOLLOW = 1.0
"""Seconds between two looks at the cluster for changes made elsewhere; one costs a GET of one object."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a cluster asks for now."""

    weights: Mapping[str, int]
    """By version; empty where the object splits nothing."""

    yaml: str
    """The object behind it; empty where there is none."""


Read = Callable[[], Asked]


class SplitView(sender.SenderView):
    """Sliders for the weights of a service's versions, and a live picture of what the traffic does."""

    made_by = "lab.split"
    _esm = assets.module("split")
    _css = assets.styles("canary", "split")

    service = traitlets.Unicode().tag(sync=True)
    versions = traitlets.List(traitlets.Unicode()).tag(sync=True)
    weights = traitlets.Dict().tag(sync=True)
    """What is asked for, by version; assigning it is what the sliders do."""

    applied = traitlets.Dict().tag(sync=True)
    """The last weights that the cluster took; others than ``weights`` after a refusal."""

    turn = traitlets.Int(0).tag(sync=True)
    """Grows with each change that is dealt with: the page sends the next one then, so a drag never piles up."""

    can_send = traitlets.Bool(True).tag(sync=True)
    can_apply = traitlets.Bool(True).tag(sync=True)
    yaml = traitlets.Unicode().tag(sync=True)
    kept: Any = traitlets.List().tag(sync=True)
    """Rules with conditions that stand before the weights, as ``rules.sentences`` has them."""

    message = traitlets.Unicode().tag(sync=True)
    """Why the last change was not applied, or what to know of it."""

    trouble = traitlets.Unicode().tag(sync=True)
    """What is wrong with the requests of the last seconds."""

    asked: Any = traitlets.List().tag(sync=True)
    """``[[seconds, share of the first version, …], …]``: what was asked for since when."""

    points: Any = traitlets.List().tag(sync=True)
    """The chart, as ``windows.Series.points`` has it."""

    rows: Any = traitlets.List().tag(sync=True)
    """The table, as ``splittable.rows`` has it."""

    _live: "SplitView | None" = None

    def __init__(
        self,
        service: str,
        weights: Weights,
        *,
        apply: Apply | None = None,
        send: Send | None = None,
        read: Read | None = None,
    ) -> None:
        self._applier, self._read = apply, read
        self._changing = threading.Lock()
        """Held while the cluster is changed, and while it is asked whether somebody else changed it."""
        self._guard = threading.RLock()
        self._series = windows.Series()
        self._tally = windows.Tally(since=0.0)
        super().__init__(
            send,
            service=service,
            versions=list(weights),
            weights=dict(weights),
            applied=dict(weights) if apply is None else dict.fromkeys(weights, 0),
            can_send=send is not None,
            can_apply=apply is not None,
        )
        self._refresh()
        self.observe(self._on_weights, names="weights")
        if SplitView._live is not None and SplitView._live.service == service:
            SplitView._live.stop()  # the cell was run again: its old view is gone from the page
        if apply is not None:
            self._apply_weights(weights)

    @classmethod
    def of_frame(cls, service: str, weights: Weights, frame: Any) -> "SplitView":
        """A recorded split: a DataFrame with the columns of ``lab.send``."""
        view = cls(service, weights)
        records = windows.records_of(frame)
        start = min((r.time for r in records), default=0.0)
        view.asked = [[start, *view._shares()]]
        view._on_batch(records)
        return view

    def __repr__(self) -> str:
        pairs = ", ".join(f"{name}={weight}" for name, weight in self.weights.items())
        return f"Split({self.service}: {pairs})"

    @property
    def measured(self) -> dict[str, int]:
        """Requests by the version that answered, since the last change."""
        with self._guard:
            return dict(windows.counts_of(self._tally.all, self.versions))

    @property
    def failed(self) -> int:
        """Failed requests since the last change."""
        return self._tally.all.failed

    def wait(self, *, count: int = 600, timeout: float = 120.0) -> judge.Judgement:
        """Send until ``count`` requests are measured since the last change; asked beside measured."""
        was_running = self.running
        self.start()

        def enough() -> bool:
            self._presence.looked()
            return self._tally.all.total >= count

        try:
            waiting.until(
                enough,
                what=f"{count} measured requests",
                timeout=timeout,
                next_step="lab.send(count=1) shows what a single request answers",
                show=lambda _: f"{self._tally.all.total} requests, {self._tally.all.failed} failed",
            )
        finally:
            self.running = was_running
        return judge.split(self.measured, self.applied)

    def table(self) -> Any:
        """The table twin as a DataFrame: a row a version."""
        import pandas as pd

        return pd.DataFrame(self.rows).set_index("version")

    def static_html(self) -> str:
        """The view as it is now, for exports and readers without widgets."""
        return splittable.static_html(self.service, self.rows, self.yaml, kept=self.kept)

    def _on_weights(self, change: Any) -> None:
        if change["new"] != self.applied:  # what is applied already comes from the cluster itself
            self._apply_weights(change["new"])

    def _apply_weights(self, weights: Weights) -> None:
        if self._applier is None:
            return
        with self._changing:
            try:
                text = self._applier(dict(weights))
            except errors.LabError as e:
                with self._guard:
                    self.message = splittable.refusal(str(e))
                    self.turn += 1
                return
            self._holds(weights, text, message=splittable.remark(weights))

    def _holds(self, weights: Weights, text: str, *, message: str) -> None:
        """The cluster asks for these weights from now on: count anew."""
        # Only under the guard: a batch of another thread holds the traits' changes back while it writes its own.
        with self._guard, self.hold_sync():
            now = time.time()
            self.yaml, self.applied, self.message = text, dict(weights), message
            self.kept = rules.sentences(text)
            self._tally = windows.Tally(since=now + SETTLE)
            self.asked = [*self.asked[-50:], [round(now, 2), *self._shares()]]
            self._refresh()
            self.turn += 1

    def follow(self) -> None:
        """Look once at what the cluster asks for; a change that was made elsewhere is shown, and said."""
        if self._read is None:
            return
        with self._changing:
            try:
                asked = self._read()
            except errors.LabError:
                return  # the traffic tells of a cluster that does not answer
            if _state(asked.weights, asked.yaml) != _state(self.applied, self.yaml):
                self._changed_elsewhere(asked)

    def _changed_elsewhere(self, asked: Asked) -> None:
        weights = {version: asked.weights.get(version, 0) for version in self.versions} if asked.weights else {}
        message = splittable.elsewhere(
            self.service, asked.weights, has_rule=bool(asked.yaml), at=time.strftime("%H:%M:%S")
        )
        with self.hold_sync():
            self._holds(weights, asked.yaml, message=message)
            if weights:
                self.weights = weights

    def appears(self) -> None:
        """A page that shows the view also shows what others change."""
        if self._read is not None:
            self.watch(self.follow, every=FOLLOW)

    def leaves(self) -> None:
        """Nobody looks: the traffic stops."""
        self.unwatch()
        if self.running:
            self._leave()

    def _shares(self) -> list[float]:
        shares = judge.shares(self.applied)
        return [round(shares.get(v, 0.0), 4) for v in self.versions]

    def _begin(self) -> None:
        """Send instead of any other split view of this kernel."""
        other = SplitView._live
        if other is not None and other is not self:
            other.stop()
        SplitView._live = self
        super()._begin()

    def _end(self) -> None:
        super()._end()
        if SplitView._live is self:
            SplitView._live = None

    def _on_batch(self, records: Sequence[windows.Record]) -> None:
        with self._guard:
            self._series.add(records)
            self._tally.add(records)
            self._refresh()
        if self.running and self._presence.is_lost:
            self._leave()

    def _refresh(self) -> None:
        with self._guard, self.hold_sync():
            self.points = self._series.points(self.versions)
            self.rows = splittable.rows(self._tally.all, self.applied, versions=self.versions)
            self.trouble = splittable.trouble(self._series.recent())

    def _leave(self) -> None:
        with self._guard:
            self.message = "Nobody looks at this view any more: the traffic has stopped."
        self.running = False


def _state(weights: Weights, text: str) -> tuple[object, ...]:
    """What decides where requests go: a subset of weight 0 and one that is not named are the same."""
    return {name: weight for name, weight in weights.items() if weight}, rules.sentences(text), bool(text)
