"""Reading one target again and again: samples into the store, and what Prometheus says of the scrape itself."""

import asyncio
import time
import zlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from labkit.sandbox.apps.prometheus import exposition, relabeling
from labkit.sandbox.apps.prometheus.chunks import Held
from labkit.sandbox.apps.prometheus.promql import labels
from labkit.sandbox.apps.prometheus.promql.labels import NAME, Labels
from labkit.sandbox.apps.prometheus.promql.samples import STALE
from labkit.sandbox.apps.prometheus.store import Store
from labkit.sandbox.apps.prometheus.targets import Target

OWN = (
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
)


@dataclass
class Scrapes:
    """One target's scrapes."""

    target: Target
    store: Store
    last_at: float = 0.0
    """Seconds since the epoch of the last one."""
    last_seconds: float = 0.0
    error: str = ""
    """Why the last one failed."""
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)
    """``type`` and ``help`` by metric."""
    _cache: dict[int, Held | None] = field(default_factory=dict, repr=False)
    """By the text of a series; None for one that the rules drop."""
    _present: set[Held] = field(default_factory=set, repr=False)
    """What the last page had."""

    @property
    def health(self) -> str:
        """``up``, ``down`` or ``unknown``."""
        return "unknown" if not self.last_at else "down" if self.error else "up"

    def offset(self) -> float:
        """Where in its interval a target is read, in seconds, so that not all are read at once."""
        return zlib.crc32(repr((self.target.url, self.target.labels)).encode()) / 2**32 * self.target.job.interval

    def take(self, text: str, at: int, seconds: float) -> None:
        """Store a page that was read at ``at`` (milliseconds)."""
        try:
            rows = self._rows(text, at)
        except exposition.FormatError as e:
            self.fail(str(e), at, seconds)
            return
        for series, moment, value in rows:
            self.store.append(series, moment, value)
        before, present = self._present, {series for series, _, _ in rows}
        self._end(before - present, at)
        self._present, self.error = present, ""
        self._report(at, seconds, up=1.0, scraped=len(rows), added=len(present - before))

    def fail(self, error: str, at: int, seconds: float) -> None:
        """The target did not answer: its series end."""
        self._end(self._present, at)
        self._present, self.error = set(), error
        self._report(at, seconds, up=0.0, scraped=0, added=0)

    def end(self, at: int) -> None:
        """The target is gone."""
        self._end([*self._present, *(self._own(name) for name in OWN)], at)

    def _rows(self, text: str, at: int) -> list[tuple[Held, int, float]]:
        rows = []
        for line in exposition.lines(text):
            if isinstance(line, exposition.About):
                self.metadata.setdefault(line.name, {})[line.kind] = line.text
                continue
            name, value, time = line
            # The text of a series of Istio has a thousand letters: 64 bits of it must do.
            key = hash(name)
            if key not in self._cache:
                of = self._labels(name)
                self._cache[key] = None if of is None else self.store.series(of)
            series = self._cache[key]
            if series is not None:
                rows.append((series, at if time is None else time, value))
        return rows

    def _labels(self, text: str) -> Labels | None:
        exposed = {name: value for name, value in exposition.series(text).items() if value}
        for name in ("le", "quantile"):
            if name in exposed and self._is_bound(name, exposed[NAME]):
                exposed[name] = exposition.bound(exposed[name])
        own = dict(self.target.labels)
        if self.target.job.honor_labels:
            merged = {**own, **exposed}
        else:
            clashes = {f"exported_{name}": value for name, value in exposed.items() if name in own}
            merged = {**exposed, **clashes, **own}
        result = relabeling.relabeled(merged, self.target.job.metric_rules)
        return None if result is None else labels.labels(result)

    def _is_bound(self, label: str, metric: str) -> bool:
        kind = self.metadata.get(metric.removesuffix("_bucket"), {}).get("type")
        return kind == ("histogram" if label == "le" else "summary")

    def _own(self, name: str) -> Held:
        return self.store.series(labels.labels({**dict(self.target.labels), NAME: name}))

    def _end(self, gone: Iterable[Held], at: int) -> None:
        for series in gone:
            self.store.append(series, at, STALE)

    def _report(self, at: int, seconds: float, *, up: float, scraped: int, added: int) -> None:
        self.last_at, self.last_seconds = at / 1000, seconds
        for name, value in zip(OWN, (up, seconds, scraped, scraped, added), strict=True):
            self.store.append(self._own(name), at, float(value))


async def run(scrapes: Scrapes, read: Callable[[Target], Awaitable[str]]) -> None:
    """Read now, and then each interval at the target's own moment, until cancelled."""
    job = scrapes.target.job
    while True:
        at, start = round(time.time() * 1000), time.perf_counter()
        try:
            async with asyncio.timeout(job.timeout):
                text = await read(scrapes.target)
        except TimeoutError:
            scrapes.fail("context deadline exceeded", at, time.perf_counter() - start)
        except (OSError, ValueError) as e:
            scrapes.fail(str(e) or type(e).__name__, at, time.perf_counter() - start)
        else:
            scrapes.take(text, at, time.perf_counter() - start)
        wait = (scrapes.offset() - time.time()) % job.interval
        await asyncio.sleep(wait if wait > 0.1 else wait + job.interval)
