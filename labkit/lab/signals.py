"""The golden signals of a service on a lab: what Prometheus measured, and when rules were written or deleted."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from labkit.kube import resources, status
from labkit.kube.resources import Object
from labkit.lab.connection import Connection
from labkit.telemetry import golden
from labkit.telemetry.prometheus import Prometheus
from labkit.views.golden import Golden

POINTS = 60


class Signals:
    """Looks at one service again and again; changes between two looks are remembered, deletions too."""

    def __init__(
        self, connection: Connection, prometheus: Prometheus, service: str, *, over: float, window: str
    ) -> None:
        """``over`` is how far back to look, in seconds; ``window`` that of ``rate``."""
        self._connection, self._prometheus = connection, prometheus
        self._service, self._over, self._window = service, over, window
        self._marks: set[golden.Mark] = set()
        self._names: set[str] | None = None

    def read(self) -> Golden:
        """The signals up to now."""
        namespace = self._connection.namespace
        frame = golden.frame(
            self._prometheus, self._service, namespace, over=self._over, step=max(1.0, self._over / POINTS),
            window=self._window,
        )  # fmt: skip
        now = datetime.now(UTC)
        since = now - timedelta(seconds=self._over)
        self._notice(self._rules(), now, since)
        first = frame.index[0].to_pydatetime() if len(frame) else since
        marks = sorted((m for m in self._marks if m.time >= first), key=lambda m: (m.time, m.what))
        return Golden(service=self._service, frame=frame, marks=marks)

    def _notice(self, rules: list[Object], now: datetime, since: datetime) -> None:
        names = {golden.name_of(rule) for rule in rules}
        deleted = (self._names or set()) - names
        self._marks |= {golden.Mark(time=now, what=f"{name} deleted") for name in deleted}
        self._marks |= set(golden.marks(rules, since))
        self._names = names

    def _rules(self) -> list[Object]:
        return [rule for kind in resources.ISTIO for rule in self._of(kind)]

    def _of(self, kind: resources.Resource) -> Iterable[Object]:
        try:
            return self._connection.api.list(kind, self._connection.namespace)
        except status.StatusError:
            return []  # a kind that this cluster lacks, or that this user may not read
