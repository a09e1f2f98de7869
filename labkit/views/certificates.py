"""The certificate viewer: who each proxy is, by whom that is certified, and for how long; live through rotations.

It knows one callback, ``read() -> entries`` as ``telemetry.certificates.held`` has them. Recorded entries work as well.
"""

import datetime
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import traitlets

from labkit.base import waiting
from labkit.telemetry.certificates import Certificate, Held
from labkit.views import assets, looking, markup

if TYPE_CHECKING:
    import pandas as pd

EVERY = 1.0
"""Seconds between two looks; each asks every proxy one question."""

HEAD = ("proxy", "identity", "signed by", "left", "of", "rotations", "serial")
Read = Callable[[], Sequence[Held]]


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class CertificateView(looking.PausableView):
    """A row per certificate; a row opens to its chain."""

    made_by = "lab.certificates"
    _esm = assets.module("certificates")
    _css = assets.styles("certificates")

    rows: Any = traitlets.List().tag(sync=True)
    """``{"proxy", "name", "identity", "issuer", "serial", "left", "life", "rotations", "chain"}``; seconds."""

    def __init__(
        self, read: Read, *, every: float | None = EVERY, clock: Callable[[], datetime.datetime] = _now
    ) -> None:
        """``every`` is the seconds between two looks; None looks only when ``look`` is called."""
        self._clock = clock
        self._serials: dict[tuple[str, str], list[str]] = {}
        """Each certificate's serials, as they were seen one after the other."""
        super().__init__(read=read, every=every)

    def __repr__(self) -> str:
        rows = [(r["proxy"], r["identity"], r["issuer"], f"{_time(r['life'])}") for r in self.rows]
        return markup.columns(("proxy", "identity", "signed by", "for"), rows)

    @property
    def rotations(self) -> int:
        """How many replacements it has seen, over all certificates."""
        return sum(row["rotations"] for row in self.rows)

    def until_rotated(self, *, timeout: float = 120.0) -> int:
        """Look until every certificate shown has been replaced once more; how many there are."""
        before = {key: len(serials) for key, serials in self._serials.items()}

        def rotated() -> bool:
            self._presence.looked()
            self.look()
            return bool(before) and all(len(self._serials[key]) > count for key, count in before.items())

        waiting.until(
            rotated,
            what="the next certificate of every proxy",
            timeout=timeout,
            every=0.25,
            next_step="a certificate is renewed at half of its life: SECRET_TTL in proxy.istio.io/config sets that",
            show=lambda _: repr(self),
        )
        return len(before)

    def table(self) -> "pd.DataFrame":
        """The table twin as a DataFrame."""
        import pandas as pd

        return pd.DataFrame(self._table(), columns=list(HEAD))

    def static_html(self) -> str:
        """As a table, for exports and readers without widgets."""
        table = markup.table(HEAD, self._table(), caption="Certificates of the proxies")
        return f'<div style="{markup.BOX}">{table}</div>'

    def take(self, reading: Sequence[Held], *, now: float = 0.0) -> None:
        """Show entries that were read; what is left of each is counted from the clock."""
        with self._guard, self.hold_sync():
            at = self._clock()
            self.rows = [self._row(entry, at) for entry in reading]
            self.message = "" if reading else "No proxy holds a certificate."

    def _table(self) -> list[tuple[object, ...]]:
        return [
            (r["proxy"], r["identity"], r["issuer"], _time(r["left"]), _time(r["life"]), r["rotations"], r["serial"])
            for r in self.rows
        ]

    def _row(self, entry: Held, now: datetime.datetime) -> dict[str, Any]:
        own = entry.own
        serials = self._serials.setdefault((entry.proxy, entry.name), [])
        if own.serial not in serials:
            serials.append(own.serial)
        return {
            "proxy": entry.proxy,
            "name": entry.name,
            "identity": own.subject,
            "issuer": own.issuer,
            "serial": own.serial[:8],
            "left": (own.ends - now).total_seconds(),
            "life": entry.life.total_seconds(),
            "rotations": len(serials) - 1,
            "chain": [_link(c, now) for c in (*entry.chain, *(r for r in entry.roots if r not in entry.chain))],
        }


def _link(certificate: Certificate, now: datetime.datetime) -> dict[str, Any]:
    return {
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "serial": certificate.serial,
        "begins": f"{certificate.begins:%Y-%m-%d %H:%M:%S} UTC",
        "ends": f"{certificate.ends:%Y-%m-%d %H:%M:%S} UTC",
        "left": (certificate.ends - now).total_seconds(),
    }


UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))


def _time(seconds: float) -> str:
    """``23 h``, ``58 s``; ``expired``."""
    if seconds <= 0:
        return "expired"
    return next((f"{seconds / size:.0f} {unit}" for size, unit in UNITS if seconds >= 2 * size), f"{seconds:.0f} s")
