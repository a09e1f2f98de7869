"""Whether what was applied has reached every Envoy: asked of istiod, which hears each of them say so.

The sandbox's istiod answers for one version of one object (``/debug/labkit/live``). A real istiod tells only
what it sent and what was acknowledged (``/debug/syncz``): there, everything sent is acknowledged once its
debounce is over, and that is what is waited for.
"""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

from labkit.mesh import refusals

DEBOUNCE = 0.3
"""Seconds in which a real istiod surely begins to send a change: it gathers changes for 0.1 s."""

EVERY = 0.1
"""Seconds between questions to a real istiod."""

WAIT = 10.0
"""Seconds; what is not live by then has a cause that waiting does not cure."""

PUSHES = "/debug/labkit/pushes"
"""A page that only the sandbox's istiod has."""

Ask = Callable[[str], str]
"""``ask("/debug/syncz")`` gives the page's text; it may raise a LabError."""


Read = Callable[[str], str]
"""``read("reviews-v1-….default")`` gives the log of a proxy; empty where there is none."""


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
class Refusal:
    """Why an Envoy does not take what it was sent."""

    sentence: str
    """What is wrong, in Envoy's words; empty where its answer was cut off before them."""

    objects: tuple[str, ...]
    """What it is put down to: ``VirtualService default/ratings``; maybe others than the ones asked for."""

    def __str__(self) -> str:
        sentence = self.sentence or refusals.UNTOLD
        return f"{sentence}, put down to {', '.join(self.objects)}" if self.objects else sentence


@dataclass(frozen=True, kw_only=True)
class Silence:
    """istiod does not answer, so nobody knows how far they have come."""

    is_everywhere: ClassVar[bool] = False
    is_refused: ClassVar[bool] = False

    def __str__(self) -> str:
        return "istiod does not answer: every proxy keeps what it has"


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

    why: tuple[Refusal, ...] = ()
    """Each reason once."""

    @property
    def is_everywhere(self) -> bool:
        """Whether every proxy has them."""
        return self.live == self.proxies

    @property
    def is_refused(self) -> bool:
        """Whether some proxy said no."""
        return bool(self.refusing)

    def __str__(self) -> str:
        took = f" after {self.milliseconds:.0f} ms" if self.milliseconds is not None else ""
        if self.is_everywhere:
            return f"live on {self.live} of {self.proxies} proxies{took}"
        parts = [self._refused()] if self.refusing else [f"live on {self.live} of {self.proxies} proxies"]
        if self.waiting:
            parts.append(f"{', '.join(self.waiting)} {_have(self.waiting)} not answered")
        return "; ".join(parts)

    def _refused(self) -> str:
        who = self.refusing[0] if len(self.refusing) == 1 else f"{len(self.refusing)} of {self.proxies} proxies"
        kept = f"refused by {who}, which {'keeps' if len(self.refusing) == 1 else 'keep'} the last good configuration"
        return f"{kept}: {'; '.join(map(str, self.why))}" if self.why else kept


State = Liveness | Silence
"""What is told of objects that were applied."""


def _have(names: Sequence[str]) -> str:
    return "has" if len(names) == 1 else "have"


def of_sandbox(ask: Ask, subjects: Sequence[Subject], *, read: Read = lambda _: "") -> Liveness:
    """Wait until these versions are live, or refused, everywhere; what answers leave out is read in a proxy's log."""
    deadline = time.monotonic() + WAIT
    answers = []
    for subject in subjects:
        left = max(0.0, deadline - time.monotonic())
        answers.append(json.loads(ask(live_path(subject, wait=left))))
    liveness = together(answers)
    if liveness.refusing and not all(refusal.sentence for refusal in liveness.why):
        told = refusals.sentence(read(liveness.refusing[0]))
        liveness = replace(liveness, why=_once(r if r.sentence else replace(r, sentence=told) for r in liveness.why))
    return liveness


def joined(pages: Sequence[str]) -> str:
    """One page for several control planes, each with proxies of its own: lists and counts of all together."""
    if len(pages) == 1:
        return pages[0]
    documents = [json.loads(page) for page in pages]
    if all(isinstance(document, list) for document in documents):
        return json.dumps([entry for document in documents for entry in document])
    keys = dict.fromkeys(key for document in documents for key in document)
    return json.dumps({key: _sum(key, [d[key] for d in documents if key in d]) for key in keys})


def _sum(key: str, values: list[Any]) -> Any:
    if key == "included":
        return all(values)
    if key in ("proxies", "live"):
        return sum(values)
    if values and isinstance(values[0], list):
        return [entry for value in values for entry in value]
    if None in values:
        return None  # not everywhere yet
    return max(values) if isinstance(values[0], int | float) else values[0]


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
        why=_once(_refusal(entry) for answer in answers for entry in answer.get("why", ())) if refusing else (),
    )


def _refusal(entry: dict[str, Any]) -> Refusal:
    objects = (name.replace("/", " ", 1) for name in entry["objects"])
    return Refusal(sentence=refusals.sentence(entry["text"]), objects=tuple(objects))


def _once(refusals: Iterable[Refusal]) -> tuple[Refusal, ...]:
    return tuple(dict.fromkeys(refusals))


def of_istiod(ask: Ask, *, sleep: Callable[[float], None] = time.sleep) -> Liveness:
    """Wait until a real istiod's proxies have acknowledged all that it sent."""
    deadline = time.monotonic() + WAIT
    sleep(DEBOUNCE)
    while True:
        liveness = synced(json.loads(ask("/debug/syncz")))
        if liveness.is_everywhere or time.monotonic() > deadline:
            return liveness
        sleep(EVERY)


def synced(entries: Sequence[dict[str, Any]]) -> Liveness:
    """What ``/debug/syncz`` says: a proxy is behind where a nonce sent is not the one acknowledged."""
    behind = [entry["proxy"] for entry in entries if not _is_synced(entry)]
    return Liveness(proxies=len(entries), live=len(entries) - len(behind), waiting=tuple(sorted(behind)))


def _is_synced(entry: dict[str, Any]) -> bool:
    kinds = ("cluster", "listener", "route", "endpoint")
    return all(entry.get(f"{kind}_sent", "") == entry.get(f"{kind}_acked", "") for kind in kinds)
