"""Times as Kubernetes writes them."""

import time
from datetime import UTC, datetime


def now() -> str:
    """``2026-11-24T14:25:54Z``."""
    return written(datetime.now(UTC))


def written(moment: datetime) -> str:
    """A moment, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def now_micro() -> str:
    """``2026-11-24T14:25:54.123456Z``."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def now_nano() -> str:
    """``2026-11-24T14:25:54.123456789Z``: always nine digits, so that text order is time order."""
    whole, part = divmod(time.time_ns(), 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{part:09d}Z"


def parse(text: str) -> datetime:
    """From any of the three forms."""
    head, _, fraction = text.rstrip("Z").partition(".")
    seconds = datetime.strptime(head, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    return seconds.replace(microsecond=int(f"{fraction[:6]:0<6}")) if fraction else seconds
