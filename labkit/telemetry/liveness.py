"""Whether what was applied has reached every Envoy: asked of istiod, which hears each of them say so.

The sandbox's istiod answers for one version of one object (``/debug/labkit/live``). A real istiod tells only
what it sent and what was acknowledged (``/debug/syncz``): there, everything sent is acknowledged once its
debounce is over, and that is what is waited for.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

DEBOUNCE = 0.3
"""Seconds in which a real istiod surely begins to send a change: it gathers changes for 0.1 s."""

EVERY = 0.1
"""Seconds between questions to a real istiod."""

WAIT = 10.0
"""Seconds; what is not live by then has a cause that waiting does not cure."""

Ask = Callable[[str], str]
"""``ask("/debug/syncz")`` gives the page's text; it may raise a LabError."""


class Subject(Protocol):
    """One version of one object, or its deletion."""

    @property
    def kind(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def is_gone(self) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class Liveness:
    """How far some objects have come."""

    proxies: int
    live: int
    """Proxies that have taken all of them."""

    milliseconds: float | None = None
    """From when istiod heard of the last one until the last proxy had it; None where istiod does not tell."""

    waiting: tuple[str, ...] = ()
    """Proxies that have not answered yet."""

    refusing: tuple[str, ...] = ()
    """Proxies that said no and keep their last good configuration."""

    @property
    def is_everywhere(self) -> bool:
        """Whether every proxy has them."""
        return self.live == self.proxies

    def __str__(self) -> str:
        took = f" after {self.milliseconds:.0f} ms" if self.milliseconds is not None else ""
        if self.is_everywhere:
            return f"live on {self.live} of {self.proxies} proxies{took}"
        named = [f"{', '.join(names)} {verb}" for names, verb in self._others() if names]
        return f"live on {self.live} of {self.proxies} proxies; {'; '.join(named)}"

    def _others(self) -> list[tuple[tuple[str, ...], str]]:
        return [(self.refusing, "refused it and keep the last good configuration"), (self.waiting, "have not answered")]


def of_sandbox(ask: Ask, subjects: Sequence[Subject]) -> Liveness:
    """Wait until these versions are live, or refused, everywhere."""
    deadline = time.monotonic() + WAIT
    answers = []
    for subject in subjects:
        left = max(0.0, deadline - time.monotonic())
        answers.append(json.loads(ask(live_path(subject, wait=left))))
    return together(answers)


def live_path(subject: Subject, *, wait: float) -> str:
    """Where the sandbox's istiod tells how far a version, or a deletion, is."""
    gone = "&gone=true" if subject.is_gone else ""
    place = f"{subject.kind}/{subject.namespace}/{subject.name}"
    return f"/debug/labkit/live?object={place}&resourceVersion={subject.version}{gone}&wait={wait:.1f}"


def together(answers: Sequence[dict[str, Any]]) -> Liveness:
    """One answer for several objects: what the slowest of them has reached."""
    waiting = {name for answer in answers for name in answer["waiting"]}
    refusing = {name for answer in answers for name in answer["refusing"]}
    times = [answer["milliseconds"] for answer in answers if answer["milliseconds"] is not None]
    return Liveness(
        proxies=max(answer["proxies"] for answer in answers),
        live=min(answer["live"] if answer["included"] else 0 for answer in answers),
        milliseconds=max(times) if len(times) == len(answers) else None,
        waiting=tuple(sorted(waiting)),
        refusing=tuple(sorted(refusing)),
    )


def of_istiod(ask: Ask, *, sleep: Callable[[float], None] = time.sleep) -> Liveness:
    """Wait until a real istiod's proxies have acknowledged all that it sent."""
    deadline = time.monotonic() + WAIT
    sleep(DEBOUNCE)
    while True:
        found = synced(json.loads(ask("/debug/syncz")))
        if found.is_everywhere or time.monotonic() > deadline:
            return found
        sleep(EVERY)


def synced(entries: Sequence[dict[str, Any]]) -> Liveness:
    """What ``/debug/syncz`` says: a proxy is behind where a nonce sent is not the one acknowledged."""
    behind = [entry["proxy"] for entry in entries if not _is_synced(entry)]
    return Liveness(proxies=len(entries), live=len(entries) - len(behind), waiting=tuple(sorted(behind)))


def _is_synced(entry: dict[str, Any]) -> bool:
    kinds = ("cluster", "listener", "route", "endpoint")
    return all(entry.get(f"{kind}_sent", "") == entry.get(f"{kind}_acked", "") for kind in kinds)
