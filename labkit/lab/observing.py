"""Metrics and traces of a lab: the addons that collect them, and questions to those."""

import json
import secrets
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from labkit.base import errors, settings, waiting
from labkit.clusters import capabilities
from labkit.install import addons, istio
from labkit.kube import manifests
from labkit.kube.resources import Object
from labkit.lab import signals
from labkit.lab.connection import Connection
from labkit.telemetry import prometheus, quiet
from labkit.telemetry import traces as jaeger
from labkit.views import results, steps, waterfall
from labkit.views import signals as signals_view

if TYPE_CHECKING:
    import pandas as pd

SPANS_COME = 15.0
"""Seconds until the first spans of a request are there: a proxy sends its own every five."""

SPANS_REST, SPANS_REST_HERE = 5.5, 0.7
"""Seconds without another span after which a trace is whole; the sandbox's proxies send theirs at once."""

TRACING = "manifests/tracing.yaml"

READ_AGAIN = 75.0
"""Seconds until every target was read once more: Istio's own addon does so every 15, at most each minute."""


Send = Callable[[str, Mapping[str, str]], object]
"""Sends one request through the gateway: a path, and headers."""


def tracing(sampling: float) -> Object:
    """The Telemetry that lets every proxy send so many per cent of its traces to Jaeger."""
    (telemetry,) = manifests.read(settings.CHECKOUT / "notebooks" / TRACING)
    telemetry["spec"]["tracing"][0]["randomSamplingPercentage"] = sampling
    return telemetry


class Observing:
    """Of one cluster."""

    def __init__(self, connection: Connection, send: Send) -> None:
        self._connection, self._send = connection, send

    def install_addon(self, name: str) -> results.Done:
        """``"prometheus"`` or ``"jaeger"`` in istio-system; one that is there already is used as it is."""
        with steps.Steps() as step:
            addons.install(self._connection.api, name, on_step=step)
        if name == "prometheus":
            self.until_read(0.0)
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

    def golden(
        self, service: str = "productpage", *, range: str | float = "5m", window: str = ""
    ) -> signals_view.SignalsView:
        """Requests, failures and latencies of a service, live, with marks where rules changed.

        ``range`` is how far back it looks, ``window`` that of ``rate``: two scrapes have to fit into it.
        """
        chosen = window or ("20s" if self._connection.can(capabilities.LOCAL_PODS) else "1m")
        over = prometheus.seconds(range)
        reader = signals.Signals(self._connection, self.prometheus, service, over=over, window=chosen)
        return signals_view.SignalsView(service, reader.read).look()

    def scraped(self) -> results.Done:
        """Wait until Prometheus has read every proxy once more: what was counted until now is in its store then."""
        began = time.time()
        count = self.until_read(began)
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

    def until_read(self, since: float) -> int:
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

    def traces(
        self,
        service: str = "productpage",
        *,
        limit: int = 20,
        range: str | float = "1h",
        tags: Mapping[str, str] | None = None,
    ) -> waterfall.Traces:
        """The newest traces that a service took part in: ``lab.traces("reviews", tags={"http.status_code": "503"})``.

        Proxies send their spans every few seconds: what has just been asked may not be there yet.
        """
        end = time.time()
        query = {
            "service": self._service(service),
            "limit": str(limit),
            "start": str(round((end - prometheus.seconds(range)) * 1e6)),
            "end": str(round(end * 1e6)),
        } | ({"tags": json.dumps(tags)} if tags else {})
        return waterfall.Traces(traces=jaeger.traces(self._jaeger(f"/api/traces?{urlencode(query)}")))

    def trace(self, which: str | jaeger.Trace) -> waterfall.Waterfall:
        """One trace as a waterfall: one of ``lab.traces()``, or the id of one."""
        if isinstance(which, jaeger.Trace):
            return waterfall.Waterfall(trace=which)
        answered = jaeger.traces(self._jaeger(f"/api/traces/{quote(which, safe='')}"))
        if not answered:
            raise errors.SetupError(f"Jaeger has no trace {which!r}.", next_step="lab.traces() lists those it has")
        return waterfall.Waterfall(trace=answered[0])

    def traced(self, path: str = "/productpage", *, headers: Mapping[str, str] | None = None) -> waterfall.Waterfall:
        """Send one request with a trace of its own through the gateway, and wait for all spans of it."""
        id = secrets.token_hex(16)
        own = {"traceparent": f"00-{id}-{secrets.token_hex(8)}-01", **_b3(id), **(headers or {})}
        self._send(path, own)
        return self.trace(self._until_whole(id))

    def _until_whole(self, id: str) -> str:
        """The id, once no more spans of it came for a while."""

        def spans() -> int:
            return sum(len(one["spans"]) for one in self._jaeger(f"/api/traces/{id}"))

        waiting.until(
            spans,
            what=f"trace {id}",
            timeout=SPANS_COME,
            next_step='kubectl get telemetry -A: tracing needs a provider (lab.apply("manifests/tracing.yaml"))',
            every=0.3,
            show=lambda count: f"{count} spans",
        )
        is_here = self._connection.can(capabilities.LOCAL_PODS)
        quiet.at_rest(spans, pause=SPANS_REST_HERE if is_here else SPANS_REST)
        return id

    def _jaeger(self, path: str) -> list[Mapping[str, Any]]:
        addons.require(self._connection.api, "jaeger")
        status, text = self.ask("http:tracing:80", f"/jaeger{path}")
        try:
            answer = json.loads(text)
        except ValueError:
            raise errors.SetupError(
                f"Jaeger does not answer: HTTP {status}: {text.strip()[:200]}",
                next_step=f"kubectl -n {istio.NAMESPACE} logs deploy/jaeger",
            ) from None
        data: list[Mapping[str, Any]] = answer.get("data") or []
        return data

    def _service(self, name: str) -> str:
        """``reviews`` is ``reviews.default`` to Jaeger; the gateway is in its own namespace."""
        if "." in name:
            return name
        space = istio.NAMESPACE if name.startswith("istio-") else self._connection.namespace
        return f"{name}.{space}"


def _b3(id: str) -> dict[str, str]:
    return {"x-b3-traceid": id, "x-b3-spanid": secrets.token_hex(8), "x-b3-sampled": "1"}
