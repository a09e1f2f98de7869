"""Metrics and traces of a lab: the addons that collect them, and questions to those."""

import time
from typing import TYPE_CHECKING

from labkit.base import errors, waiting
from labkit.install import addons, istio
from labkit.lab.connection import Connection
from labkit.telemetry import prometheus
from labkit.views import results, steps

if TYPE_CHECKING:
    import pandas as pd

READ_AGAIN = 75.0
"""Seconds until every target was read once more: Istio's own addon does so every 15, at most each minute."""


class Observing:
    """Of one cluster."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def install_addon(self, name: str) -> results.Done:
        """``"prometheus"`` or ``"jaeger"`` in istio-system; one that is there already is used as it is."""
        with steps.Steps() as step:
            addons.install(self._connection.api, name, on_step=step)
        if name == "prometheus":
            self._until_read(0.0)
        return results.Done(
            sentence=f"{name.capitalize()} runs in {istio.NAMESPACE}.", command=addons.command(name)
        ).shown()

    def promql(
        self, query: str, *, range: str | float = 0, step: str | float = 0, at: float | None = None
    ) -> "pd.DataFrame":
        """The answer of the mesh's Prometheus: ``lab.promql("sum(rate(istio_requests_total[1m]))")``.

        A row an element, with ``value``; ``range="5m"`` gives the last five minutes, a column a series, and ``step``
        their distance. ``at`` is the moment to ask for, in seconds since the epoch.
        """
        if not range:
            return self.prometheus.instant(query, at=at)
        try:
            over, each = prometheus.seconds(range), prometheus.seconds(step) or None
        except (ValueError, KeyError):
            raise errors.SetupError(
                f"range={range!r} and step={step!r} must be durations.",
                next_step='lab.promql(…, range="5m", step="15s")',
            ) from None
        return self.prometheus.range(query, over=over, step=each, end=at)

    def scraped(self) -> results.Done:
        """Wait until Prometheus has read every proxy once more: what was counted until now is in its store then."""
        began = time.time()
        count = self._until_read(began)
        took = time.time() - began
        return results.Done(sentence=f"Prometheus read {count} targets again within {took:.0f} s.").shown()

    @property
    def prometheus(self) -> prometheus.Prometheus:
        """The mesh's Prometheus; SetupError where there is none."""
        addons.require(self._connection.api, "prometheus")
        return prometheus.Prometheus(lambda path: self.ask("http:prometheus:9090", path))

    def ask(self, service: str, path: str) -> tuple[int, str]:
        """A page of an addon through the API server's proxy: on every cluster, with nothing forwarded."""
        base = f"/api/v1/namespaces/{istio.NAMESPACE}/services/{service}/proxy"
        status, _, body = self._connection.api.raw("GET", base + path)
        return status, body.decode("utf-8", "replace")

    def _until_read(self, since: float) -> int:
        """How many targets there are, once all that answer were read after ``since``."""
        asked = self.prometheus

        def late() -> list[str]:
            reads = asked.reads()
            return [r.pod for r in reads if r.at <= since and not (r.error and since)] or (
                [] if reads else ["none yet"]
            )

        waiting.until(
            lambda: not late(),
            what="Prometheus' next look at every target",
            timeout=READ_AGAIN,
            next_step="kubectl -n istio-system logs deploy/prometheus",
            every=0.2,
            show=lambda _: f"not read yet: {', '.join(late()) or 'nothing'}",
        )
        return len(asked.reads())
