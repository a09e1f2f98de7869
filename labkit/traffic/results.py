"""What came back: one record for each request, and what many of them say together."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labkit.sandbox.apps import calls

if TYPE_CHECKING:
    import pandas as pd

_SERVED_BY = re.compile(rb"\b([a-z][a-z0-9-]*?-(v[0-9]+)(?:-[a-z0-9]+)+)\b")
"""A pod's name with a version in it, ``reviews-v2-5f4d584748-x7k2p``."""

_SAYS_VERSION = re.compile(rb"version: (v[0-9]+), instance: ([a-z0-9-]+)")
"""helloworld's answer."""

_REVIEWS_FIRST = re.compile(rb"(?:Reviews served by:(?:\s|<[^>]*>)*|\"podname\": ?\")")
"""On the product page and in the JSON of reviews, what follows is the pod that served the reviews."""

ERROR_TEXT = 200
"""Characters of an error response's text that are kept: Envoy's reasons are shorter."""

SERVER_ERROR = 500


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Sent:
    """One request and how it went."""

    time: float
    """When it was sent, in seconds since the epoch (UTC)."""

    status: int
    """0 when no response came."""

    latency_ms: float
    version: str
    """The version that served it (on a product page: of reviews), ``v2``; empty when none is named."""

    pod: str
    """The pod's name, likewise."""

    bytes_received: int
    error: str
    """Why no response came, or the text of an error response."""

    @property
    def is_failed(self) -> bool:
        """Whether there was no response, or one of 500 and more."""
        return self.status == 0 or self.status >= SERVER_ERROR

    def __repr__(self) -> str:
        if not self.status:
            return f"no answer: {self.error}"
        by = f", answered by {self.pod or self.version}" if self.version else ""
        return f"{self.status} after {self.latency_ms:.0f} ms{by}" + (f": {self.error}" if self.error else "")


def sent(outcome: calls.Outcome) -> Sent:
    """The record of an outcome."""
    reply = outcome.reply
    version, pod = served_by(reply.body) if reply else ("", "")
    error = outcome.error
    if reply and reply.status >= 400:
        is_text = reply.headers.get("content-type", "").startswith("text/plain")
        error = reply.body[:ERROR_TEXT].decode("utf-8", "replace").strip() if is_text else ""
    return Sent(
        time=outcome.at,
        status=reply.status if reply else 0,
        latency_ms=outcome.seconds * 1000,
        version=version,
        pod=pod,
        bytes_received=reply.bytes_received if reply else 0,
        error=error,
    )


def served_by(body: bytes) -> tuple[str, str]:
    """Version and pod that an answer names: ``("v2", "reviews-v2-5f4d584748-x7k2p")``, or two empty texts."""
    if version_line := _SAYS_VERSION.search(body):
        return version_line[1].decode(), version_line[2].decode()
    start = _REVIEWS_FIRST.search(body)
    match = _SERVED_BY.match(body, start.end()) if start else None
    return (match[2].decode(), match[1].decode()) if match else ("", "")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Many requests in a few numbers."""

    count: int
    failed: int
    """Requests without a response, or with one of 500 and more."""

    by_version: Mapping[str, int] = field(default_factory=dict)
    """Responses by the version that served them, those that name none left out."""

    by_status: Mapping[int, int] = field(default_factory=dict)
    rate: float = 0.0
    """Requests per second between the first and the last one."""

    p50_ms: float = 0.0
    p99_ms: float = 0.0

    @property
    def error_rate(self) -> float:
        """The failed part, 0 to 1."""
        return self.failed / self.count if self.count else 0.0

    def __repr__(self) -> str:
        shares = ", ".join(f"{version} {number}" for version, number in self.by_version.items())
        return (
            f"{self.count} requests, {self.failed} failed{f', {shares}' if shares else ''}; "
            f"median {self.p50_ms:.1f} ms, 99th percentile {self.p99_ms:.1f} ms"
        )


def summary(records: Sequence[Sent]) -> Summary:
    """The numbers of these requests."""
    if not records:
        return Summary(count=0, failed=0)
    latencies = [record.latency_ms for record in records]
    times = [record.time for record in records]
    span = max(times) - min(times)
    return Summary(
        count=len(records),
        failed=sum(record.is_failed for record in records),
        by_version=dict(sorted(Counter(record.version for record in records if record.version).items())),
        by_status=dict(sorted(Counter(record.status for record in records).items())),
        rate=(len(records) - 1) / span if span else 0.0,
        p50_ms=percentile(latencies, 50),
        p99_ms=percentile(latencies, 99),
    )


def percentile(values: Sequence[float], part: float) -> float:
    """The value that ``part`` percent of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = -(-len(ordered) * part // 100)  # rounded up
    return ordered[max(0, min(len(ordered), int(rank)) - 1)]


def frame(records: Sequence[Sent]) -> "pd.DataFrame":
    """A row for each, by time; the columns are the fields of ``Sent``, ``time`` as UTC timestamps."""
    import pandas as pd  # late: a quarter of a second that a command line need not pay

    columns = list(Sent.__dataclass_fields__)
    table = pd.DataFrame({name: [getattr(record, name) for record in records] for name in columns})
    table["time"] = pd.to_datetime(table["time"], unit="s", utc=True)
    return table.sort_values("time", ignore_index=True)


def first_failure(rows: "pd.DataFrame") -> int | None:
    """The status of the first request that was not answered with 200; None where all were."""
    failed = rows[rows["status"] != 200]
    return int(failed["status"].iloc[0]) if len(failed) else None


def answered(rows: "pd.DataFrame") -> str:
    """Who answered: ``v2``, ``v1 and v3``, or ``status 503`` of the first that failed."""
    failed = first_failure(rows)
    return " and ".join(sorted(set(rows["version"]))) if failed is None else f"status {failed}"
