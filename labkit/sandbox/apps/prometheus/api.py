"""Prometheus' HTTP API: what each path answers."""

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote

from labkit.sandbox.apps import exchange
from labkit.sandbox.apps.exchange import Request, Response
from labkit.sandbox.apps.prometheus import answering, config
from labkit.sandbox.apps.prometheus.chunks import Held
from labkit.sandbox.apps.prometheus.following import Following
from labkit.sandbox.apps.prometheus.promql import evaluation, syntax
from labkit.sandbox.apps.prometheus.promql.errors import QueryError, UnreadableError
from labkit.sandbox.apps.prometheus.promql.labels import NAME, value
from labkit.sandbox.apps.prometheus.scraping import Scrapes

VERSION = "3.10.0"
"""The release whose rules queries and scrapes follow: that of Istio's own addon."""

STATUS = {"bad_data": 400, "execution": 422, "not_found": 404}

_VALUES = re.compile(r"/api/v1/label/([^/]+)/values")

Parameters = Mapping[str, list[str]]


class Api:
    """Answers for one server; ``reload`` reads the configuration again, and raises ConfigError."""

    def __init__(self, following: Following, reload: Callable[[], None], *, has_lifecycle: bool) -> None:
        self._following, self._reload, self._has_lifecycle = following, reload, has_lifecycle
        self._began = time.time()
        self._pages: dict[str, Callable[[Parameters], Any]] = {
            "/api/v1/query": self._query,
            "/api/v1/query_range": self._query_range,
            "/api/v1/series": self._series,
            "/api/v1/labels": self._labels,
            "/api/v1/targets": self._targets,
            "/api/v1/metadata": self._metadata,
            "/api/v1/status/config": lambda _: {"yaml": self._following.config.text},
            "/api/v1/status/buildinfo": lambda _: {"version": VERSION, "revision": "labkit", "branch": "sandbox"},
            "/api/v1/status/runtimeinfo": self._runtime,
            "/api/v1/rules": lambda _: {"groups": []},
            "/api/v1/alerts": lambda _: {"alerts": []},
        }

    def handle(self, request: Request) -> Response:
        """The answer to a request."""
        match request.path:
            case "/-/healthy":
                return exchange.text("Prometheus Server is Healthy.\n")
            case "/-/ready":
                return exchange.text("Prometheus Server is Ready.\n")
            case "/-/reload":
                return self._reloaded(request)
            case "/metrics":
                return Response(body=self._own_metrics().encode(), content_type="text/plain; version=0.0.4")
            case "/":
                return exchange.text(
                    f"{self._following!r}\nThe sandbox's Prometheus has no pages: ask /api/v1/query.\n"
                )
        if not request.path.startswith("/api/v1/"):
            return exchange.text("404 page not found\n", status=404)
        return self._answered(request)

    def _answered(self, request: Request) -> Response:
        text = request.query
        if request.method == "POST":
            text = f"{text}&{request.body.decode('utf-8', 'replace')}"
        parameters = parse_qs(text, keep_blank_values=True)
        try:
            if match := _VALUES.fullmatch(request.path):
                return _success(self._values(unquote(match[1]), parameters))
            page = self._pages.get(request.path)
            if page is None:
                return _failure("not_found", f"{request.path} is not served by the sandbox's Prometheus")
            return _success(page(parameters))
        except QueryError as e:
            return _failure(e.kind, str(e))

    def _settings(self) -> evaluation.Settings:
        return evaluation.Settings(subquery_step=round(self._following.config.evaluation_interval * 1000))

    def _query(self, asked: Parameters) -> Any:
        at = moment(asked, "time", time.time())
        query = _one(asked, "query")
        return answering.value(evaluation.instant(query, self._following.store, at, self._settings()), at)

    def _query_range(self, asked: Parameters) -> Any:
        start, end = moment(asked, "start"), moment(asked, "end")
        if end < start:
            raise UnreadableError('invalid parameter "end": end timestamp must not be before start time')
        step = round(duration(_one(asked, "step"), "step") * 1000)
        query, store = _one(asked, "query"), self._following.store
        return answering.matrix(evaluation.range_of(query, store, start, end, step, self._settings()))

    def _selected(self, asked: Parameters, *, needed: bool) -> Iterable[Held]:
        start, end = moment(asked, "start", 0.0), moment(asked, "end", time.time())
        texts = asked.get("match[]") or []
        if needed and not texts:
            raise UnreadableError("no match[] parameter provided")
        if not texts:
            return self._following.store.between(start, end)
        selected = {s.labels: s for text in texts for s in self._following.store.select(syntax.selectors(text))}
        return [s for s in selected.values() if any(start <= t <= end for t in (s.first, s.last))]

    def _series(self, asked: Parameters) -> Any:
        return [dict(series.labels) for series in self._selected(asked, needed=True)]

    def _labels(self, asked: Parameters) -> Any:
        return sorted({name for series in self._selected(asked, needed=False) for name, _ in series.labels})

    def _values(self, name: str, asked: Parameters) -> Any:
        return sorted({value(series.labels, name) for series in self._selected(asked, needed=False)} - {""})

    def _targets(self, asked: Parameters) -> Any:
        state = (asked.get("state") or ["any"])[0]
        every = self._following.targets.values()
        active = [_active(scrapes) for scrapes in self._following.scrapes.values()]
        dropped = [{"discoveredLabels": dict(labels)} for of_job in every for labels in of_job.dropped]
        return {
            "activeTargets": active if state in ("any", "active") else [],
            "droppedTargets": dropped if state in ("any", "dropped") else [],
        }

    def _metadata(self, asked: Parameters) -> Any:
        only = (asked.get("metric") or [""])[0]
        result: dict[str, list[dict[str, str]]] = {}
        for scrapes in self._following.scrapes.values():
            for metric, about in scrapes.metadata.items():
                entry = {"type": about.get("type", "unknown"), "help": about.get("help", ""), "unit": ""}
                if only in ("", metric) and entry not in result.setdefault(metric, []):
                    result[metric].append(entry)
        return result

    def _runtime(self, _asked: Parameters) -> Any:
        started = datetime.fromtimestamp(self._began, UTC).isoformat().replace("+00:00", "Z")
        return {"startTime": started, "timeSeriesCount": len(self._following.store), "reloadConfigSuccess": True}

    def _reloaded(self, request: Request) -> Response:
        if request.method not in ("POST", "PUT"):
            return exchange.text("Only POST or PUT requests allowed\n", status=405)
        if not self._has_lifecycle:
            return exchange.text("Lifecycle API is not enabled.\n", status=403)
        try:
            self._reload()
        except config.ConfigError as e:
            return exchange.text(f"failed to reload config: {e}\n", status=500)
        return exchange.text("")

    def _own_metrics(self) -> str:
        store = self._following.store
        return (
            "# TYPE prometheus_build_info gauge\n"
            f'prometheus_build_info{{version="{VERSION}"}} 1\n'
            "# TYPE prometheus_tsdb_head_series gauge\n"
            f"prometheus_tsdb_head_series {len(store)}\n"
            "# TYPE prometheus_tsdb_head_samples gauge\n"
            f"prometheus_tsdb_head_samples {store.count}\n"
        )


def _success(data: Any) -> Response:
    return exchange.json_text(json.dumps({"status": "success", "data": data}))


def _failure(kind: str, message: str) -> Response:
    body = {"status": "error", "errorType": kind, "error": message}
    return exchange.json_text(json.dumps(body), status=STATUS[kind])


def _one(asked: Parameters, name: str) -> str:
    values = asked.get(name) or [""]
    if not values[0]:
        raise UnreadableError(f'invalid parameter "{name}": it is empty')
    return values[0]


def moment(asked: Parameters, name: str, default: float | None = None) -> int:
    """A time in milliseconds, given as seconds since the epoch or by RFC 3339."""
    if default is not None and not (asked.get(name) or [""])[0]:
        return round(default * 1000)
    text = _one(asked, name)
    try:
        return round(float(text) * 1000)
    except (ValueError, OverflowError):
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise UnreadableError(f'invalid parameter "{name}": cannot parse "{text}" to a valid timestamp')
    return round(at.timestamp() * 1000)


def duration(text: str, name: str) -> float:
    """Seconds, given as a number or as ``1m``."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return config.seconds(text)
    except ValueError as e:
        raise UnreadableError(f'invalid parameter "{name}": cannot parse "{text}" to a valid duration') from e


def _active(scrapes: Scrapes) -> dict[str, Any]:
    target = scrapes.target
    at = datetime.fromtimestamp(scrapes.last_at, UTC) if scrapes.last_at else None
    return {
        "discoveredLabels": dict(target.discovered),
        "labels": {name: text for name, text in target.labels if name != NAME},
        "scrapePool": target.job.name,
        "scrapeUrl": target.url,
        "globalUrl": target.url,
        "lastError": scrapes.error,
        "lastScrape": at.isoformat().replace("+00:00", "Z") if at else "0001-01-01T00:00:00Z",
        "lastScrapeDuration": scrapes.last_seconds,
        "health": scrapes.health,
        "scrapeInterval": f"{target.job.interval:g}s",
        "scrapeTimeout": f"{target.job.timeout:g}s",
    }
