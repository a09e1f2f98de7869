"""Requests to an app, and what they measure: ``send`` for a table, ``stream`` for a live view."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from labkit.traffic.load import Load, LoadError
from labkit.traffic.results import Sent, Summary, frame, summary
from labkit.traffic.streaming import OnBatch, Stream

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Load",
    "LoadError",
    "OnBatch",
    "Sent",
    "Stream",
    "Summary",
    "collect",
    "frame",
    "send",
    "stream",
    "summary",
]


def send(
    url: str,
    path: str = "/",
    *,
    count: int | None = None,
    rate: float | None = None,
    duration: float | None = None,
    user: str = "",
    headers: Mapping[str, str] | None = None,
    workers: int = 8,
) -> "pd.DataFrame":
    """Send GET requests and wait: one row for each, columns as in ``results.frame``.

    Without ``count`` and ``duration`` it is one request. ``user`` logs in to Bookinfo first.
    """
    load = Load(
        url=url,
        path=path,
        count=1 if count is None and duration is None else count,
        rate=rate,
        duration=duration,
        user=user,
        headers=headers or {},
        workers=workers,
    )
    return frame(collect(load))


def collect(load: Load) -> list[Sent]:
    """Send a load that has an end, and wait; the records in the order the responses came."""
    if load.count is None and load.duration is None:
        raise LoadError("This load has no end.", next_step="give it a count or a duration, or use stream()")
    records: list[Sent] = []
    Stream(load, records.extend).start().join()
    return records


def stream(load: Load, on_batch: OnBatch) -> Stream:
    """Send a load beside the notebook; ``on_batch`` gets new records four times a second, in a thread."""
    return Stream(load, on_batch).start()
