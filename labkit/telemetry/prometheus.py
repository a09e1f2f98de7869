"""Answers of a Prometheus as frames, asked through any way to its HTTP API."""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from labkit.base import errors

if TYPE_CHECKING:
    import pandas as pd

Ask = Callable[[str], tuple[int, str]]
"""From a path with its query to status and text."""

STEPS = 120
"""Points of a range where no step is named."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class QueryError(errors.LabError):
    """Prometheus refused a query; its own words say why."""

    def __init__(self, query: str, reason: str) -> None:
        super().__init__(f"Prometheus has no answer to {query}\nLast seen: {reason}\nNext: correct the query")


@dataclass(frozen=True, kw_only=True)
class Read:
    """When a target was last read, and how that went."""

    pod: str
    url: str
    at: float
    """Seconds since the epoch; 0 when it was not read yet."""
    error: str


def seconds(duration: str | float) -> float:
    """``"5m"`` gives 300; a number is one of seconds. ValueError otherwise."""
    if not isinstance(duration, str):
        return float(duration)
    number = duration.rstrip("smhd")
    return float(number) * _UNITS[duration[len(number) :] or "s"]


class Prometheus:
    """One Prometheus."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def __repr__(self) -> str:
        return "Prometheus()"

    def instant(self, query: str, *, at: float | None = None) -> "pd.DataFrame":
        """A row an element: its labels, and ``value``."""
        parameters = {"query": query} | ({} if at is None else {"time": f"{at:.3f}"})
        return frame(self._data("query", parameters, query))

    def range(self, query: str, *, over: float, step: float | None = None, end: float | None = None) -> "pd.DataFrame":
        """The last ``over`` seconds: a row a moment, a column a series."""
        last = time.time() if end is None else end
        each = step or max(1.0, over / STEPS)
        parameters = {"query": query, "start": f"{last - over:.3f}", "end": f"{last:.3f}", "step": f"{each:g}"}
        return frame(self._data("query_range", parameters, query))

    def number(self, query: str, *, at: float | None = None) -> float:
        """The value of a query that has one element; 0 when it has none."""
        rows = elements(self._data("query", {"query": query} | ({} if at is None else {"time": f"{at:.3f}"}), query))
        return rows[0][1] if rows else 0.0

    def reads(self) -> list[Read]:
        """Every target that is read."""
        data = self._data("targets", {"state": "active"}, "targets")
        return [_read(target) for target in data["activeTargets"]]

    def _data(self, page: str, parameters: Mapping[str, str], query: str) -> Any:
        status, text = self._ask(f"/api/v1/{page}?{urlencode(parameters)}")
        try:
            answer = json.loads(text)
        except ValueError:
            raise QueryError(query, f"HTTP {status}: {text.strip()[:300]}") from None
        if answer.get("status") != "success":
            raise QueryError(query, str(answer.get("error") or answer.get("message") or f"HTTP {status}"))
        return answer["data"]


def _read(target: Mapping[str, Any]) -> Read:
    text = str(target["lastScrape"])
    # Go writes nanoseconds; Python reads six digits of them.
    at = 0.0 if text.startswith("0001") else datetime.fromisoformat(text[:19]).replace(tzinfo=UTC).timestamp()
    if at and "." in text:
        at += float("0." + text.split(".")[1].rstrip("Z").split("+")[0])
    labels = target["labels"]
    return Read(
        pod=str(labels.get("pod") or labels.get("instance", "")),
        url=str(target["scrapeUrl"]),
        at=at,
        error=str(target["lastError"]),
    )


def elements(data: Mapping[str, Any]) -> list[tuple[dict[str, str], float]]:
    """Labels and value of an instant answer."""
    if data["resultType"] in ("scalar", "string"):
        return [({}, float(data["result"][1]))]
    return [(dict(element["metric"]), float(element["value"][1])) for element in data["result"]]


def frame(data: Mapping[str, Any]) -> "pd.DataFrame":
    """Rows with ``value`` for an instant answer; for a range the index is ``time`` and each column a series."""
    import pandas as pd

    if data["resultType"] == "string":
        return pd.DataFrame({"value": [data["result"][1]]})
    if data["resultType"] != "matrix":
        rows = elements(data)
        names = _label_names(labels for labels, _ in rows)
        table = [[*(labels.get(name, "") for name in names), value] for labels, value in rows]
        return pd.DataFrame(table, columns=[*names, "value"])
    series = data["result"]
    telling = telling_labels([element["metric"] for element in series])
    columns = {
        _column(element["metric"], telling): pd.Series(
            [float(value) for _, value in element["values"]],
            index=pd.to_datetime([round(at * 1000) for at, _ in element["values"]], unit="ms", utc=True),
            dtype=float,
        )
        for element in series
    }
    result = pd.DataFrame(columns)
    result.index.name = "time"
    return result


def telling_labels(metrics: Sequence[Mapping[str, str]]) -> list[str]:
    """The labels that tell the series apart: one where one does, else all that differ; of a single series all."""
    names = _label_names(metrics)
    if len(metrics) < 2:
        return [name for name in names if name != "__name__"]
    values = {name: {metric.get(name, "") for metric in metrics} for name in names}
    alone = [name for name in names if len(values[name]) == len(metrics)]
    return ["pod"] if "pod" in alone else alone[:1] or [name for name in names if len(values[name]) > 1]


def _column(metric: Mapping[str, str], telling: Iterable[str]) -> str:
    return ", ".join(f"{name}={metric.get(name, '')}" for name in telling) or metric.get("__name__", "value")


def _label_names(metrics: Iterable[Mapping[str, str]]) -> list[str]:
    return list(dict.fromkeys(name for metric in metrics for name in sorted(metric)))
