"""The times of a CronJob's schedule."""

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import cronsim

NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
RANGES = ("0-59", "0-23", "1-31", "1-12", "0-6")
"""What ``*`` stands for in each field."""

_DURATION = re.compile(r"([0-9.]+)(h|m|s|ms|us|µs|ns)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When a CronJob is due."""

    text: str
    """``*/5 * * * *``, ``@hourly`` or ``@every 90s``."""

    zone: str = "UTC"
    """A name of the time zone database."""

    @property
    def every(self) -> datetime.timedelta | None:
        """The pause of ``@every``; None for a schedule of five fields."""
        if not self.text.startswith("@every "):
            return None
        parts = _DURATION.findall(self.text.removeprefix("@every "))
        return datetime.timedelta(seconds=max(1, int(sum(float(n) * _UNITS[unit] for n, unit in parts))))

    def next(self, after: datetime.datetime) -> datetime.datetime | None:
        """The first time after another; None for a day that never comes, such as the 31st of February."""
        if (every := self.every) is not None:
            return after.replace(microsecond=0) + every
        return next(self._times(after), None)

    def latest(self, earliest: datetime.datetime, now: datetime.datetime) -> datetime.datetime | None:
        """The last time after ``earliest`` that is not after ``now``; None where there is none."""
        if (every := self.every) is not None:
            passed = int((now - earliest.replace(microsecond=0)) / every)
            return earliest.replace(microsecond=0) + passed * every if passed > 0 else None
        # A search backwards gives times before its start alone; a time of this very second counts.
        before = next(self._times(now + datetime.timedelta(seconds=1), reverse=True), None)
        return before if before is not None and before > earliest else None

    def missed(self, earliest: datetime.datetime, now: datetime.datetime, *, most: int) -> int:
        """How many times lie between two moments, counted up to ``most``."""
        if (every := self.every) is not None:
            return min(most, int((now - earliest) / every))
        return sum(1 for _ in islice(takewhile(lambda t: t <= now, self._times(earliest)), most))

    def _times(self, start: datetime.datetime, *, reverse: bool = False) -> Iterator[datetime.datetime]:
        fields = NAMED.get(self.text, self.text).replace("?", "*").split()
        expression = " ".join(map(_without_star, fields, RANGES))
        try:
            return iter(cronsim.CronSim(expression, start.astimezone(ZoneInfo(self.zone)), reverse=reverse))
        except cronsim.CronSimError:
            return iter(())


def _without_star(field: str, whole: str) -> str:
    """``*/2`` → ``1-31/2``: in Kubernetes a star with a step does not count as any day, so days and weekdays add up."""
    return ",".join(
        whole + part[1:] if re.fullmatch(r"\*/0*([2-9]|[1-9][0-9]+)", part) else part for part in field.split(",")
    )
