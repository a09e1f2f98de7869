"""The golden signals of one service: how many requests, how many fail, how long they take."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.telemetry.prometheus import Prometheus

if TYPE_CHECKING:
    import pandas as pd

QUANTILES = (0.5, 0.95, 0.99)


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A change of configuration."""

    time: datetime
    what: str
    """``virtualservice/reviews``."""


def queries(service: str, namespace: str, *, window: str) -> dict[str, str]:
    """A query a column, of what callers see of a service."""
    of = f'reporter="source",destination_service_name="{service}",destination_service_namespace="{namespace}"'
    every = f"sum(rate(istio_requests_total{{{of}}}[{window}]))"
    failed = f'sum(rate(istio_requests_total{{{of},response_code=~"5..|0"}}[{window}]))'
    buckets = f"sum by (le) (rate(istio_request_duration_milliseconds_bucket{{{of}}}[{window}]))"
    latencies = {f"p{q * 100:g}_ms": f"histogram_quantile({q}, {buckets})" for q in QUANTILES}
    return {"requests_per_s": every, "failed_percent": f"100 * ({failed} or 0 * {every}) / {every}", **latencies}


def frame(
    prometheus: Prometheus, service: str, namespace: str, *, over: float, step: float, window: str
) -> "pd.DataFrame":
    """The signals over the last ``over`` seconds: a row a moment."""
    import pandas as pd

    columns: dict[str, pd.Series] = {}
    end = time.time()
    for name, query in queries(service, namespace, window=window).items():
        answer = prometheus.range(query, over=over, step=step, end=end)
        columns[name] = answer.iloc[:, 0] if len(answer.columns) else pd.Series(dtype=float)
    result = pd.DataFrame(columns)
    result.index.name = "time"
    return result


def marks(objects: Iterable[Object], since: datetime) -> list[Mark]:
    """When objects were last written, as their managed fields say, from the earliest to the latest."""
    changes = [Mark(time=at, what=name_of(obj)) for obj in objects if (at := _written(obj)) and at >= since]
    return sorted(changes, key=lambda mark: mark.time)


def name_of(obj: Object) -> str:
    """``virtualservice/reviews``."""
    return f"{str(obj.get('kind', '')).lower()}/{resources.name_of(obj)}"


def _written(obj: Mapping[str, object]) -> datetime | None:
    metadata = obj.get("metadata")
    fields = metadata.get("managedFields") or [] if isinstance(metadata, dict) else []
    times = [str(entry["time"]) for entry in fields if entry.get("time") and not entry.get("subresource")]
    return datetime.fromisoformat(max(times).replace("Z", "+00:00")) if times else None
