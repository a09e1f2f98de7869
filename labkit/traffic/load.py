"""What to send: a steady stream of requests to one URL, within limits that suit a classroom.

LoadError                 a load that we do not send (a LabError)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from labkit.base import errors

MOST_RATE = 2_000.0
"""Requests per second: what the sandbox serves on two cores while a notebook stays usable."""

MOST_REQUESTS = 100_000
"""Requests of one load; as many answers are kept in memory."""

MOST_WORKERS = 64
"""Connections; each is a file descriptor here and two in every proxy."""


class LoadError(errors.LabError):
    """A load that we do not send; says which value is out of which bounds."""

    def __init__(self, what: str, *, next_step: str) -> None:
        super().__init__(f"{what}\nNext: {next_step}")


@dataclass(frozen=True, kw_only=True)
class Load:
    """A steady stream of GET requests to one URL."""

    url: str
    """Scheme, host and port: ``http://127.0.0.1:30080``."""

    path: str = "/"
    """Path and query below it."""

    rate: float | None = 10.0
    """Requests per second, over all workers together; None for as fast as answers come, up to MOST_RATE."""

    count: int | None = None
    """How many requests; None for as many as ``duration`` has room for."""

    duration: float | None = None
    """How long to send, in seconds; the last responses may arrive later. None for no end of its own."""

    workers: int = 8
    """Connections, each with one request at a time."""

    user: str = ""
    """Log in as this user first and send the session's cookie; empty for nobody."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """Further headers of each request."""

    limit: float = 15.0
    """Seconds that one response may take; after that it counts as an error."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme != "http" or not parts.hostname:
            raise LoadError(
                f"The URL {self.url!r} is not http://host:port.", next_step="use lab.url(), or an http:// URL"
            )
        if not self.path.startswith("/"):
            raise LoadError(f"The path {self.path!r} does not begin with /.", next_step=f"write /{self.path}")
        if any(c in self.path for c in " \r\n"):
            raise LoadError(f"The path {self.path!r} holds a space.", next_step="write %20 for it")
        for name, value in self.headers.items():
            if not f"{name}{value}".isprintable() or not name.isascii() or ":" in name or not name:
                raise LoadError(
                    f"The header {name!r}: {value!r} is not one line of text.",
                    next_step="write it as one line",
                )
        _within("rate", self.rate, above=0.0, most=MOST_RATE, unit=" requests per second")
        _within("count", self.count, above=0, most=MOST_REQUESTS, unit=" requests")
        _within("duration", self.duration, above=0.0, most=86_400.0, unit=" seconds")
        _within("workers", self.workers, above=0, most=MOST_WORKERS, unit=" connections")

    @property
    def target(self) -> str:
        """The whole URL."""
        return self.url.rstrip("/") + self.path


def _within(name: str, value: float | None, *, above: float, most: float, unit: str) -> None:
    if value is not None and not above < value <= most:
        raise LoadError(
            f"{name}={value:g} is out of bounds: it may be more than {above:g} and at most {most:g}{unit}.",
            next_step=f"choose a {name} within the bounds",
        )
