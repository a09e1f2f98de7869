"""One proxy's stream: what it asked for, what it was sent, what it took and what it refused. Pure bookkeeping."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

Resources = Mapping[str, bytes]
"""Encoded resources by name."""

ORDER = ("clusters", "endpoints", "listeners", "extensions", "routes", "secrets")


@dataclass(kw_only=True)
class Subscription:
    """What one proxy has of one type."""

    wildcard: bool = False
    names: set[str] = field(default_factory=set)
    sent: dict[str, str] = field(default_factory=dict)
    """Name → version last sent."""

    nonce: str = ""
    """Of the response that is not answered yet."""

    pushed: int = 0
    """The push that is not answered yet."""

    last: str = ""
    """The nonce of the last response."""

    acked: str = ""
    """The nonce of the last response that was taken."""

    size: int = 0
    """Bytes of the last response."""

    since: float = 0.0
    """When it went out, on a clock that only grows."""

    took: float | None = None
    """Seconds until it was answered; None until then."""

    in_flight: "dict[str, Update]" = field(default_factory=dict)
    """Nonce → a response that is not answered yet."""

    refusals: dict[str, str] = field(default_factory=dict)
    """Resource → why it was refused; a later version that is taken ends it."""

    settled: Resources | None = None
    """What it was last compared with: the very same mapping has nothing new for it."""

    @property
    def refused(self) -> str:
        """The text of a refusal that still stands; empty when there is none."""
        return next(iter(self.refusals.values()), "")


@dataclass(frozen=True, kw_only=True)
class Update:
    """A delta to send."""

    kind: str
    changed: dict[str, bytes]
    removed: tuple[str, ...]


class Versioned(bytes):
    """An encoded resource that knows its version: it is asked for it at every push, by every proxy."""

    version: str

    def __new__(cls, data: bytes, version: str) -> "Versioned":
        versioned = super().__new__(cls, data)
        versioned.version = version
        return versioned


def version_of(data: bytes) -> str:
    """A version by content: what did not change keeps it."""
    return data.version if isinstance(data, Versioned) else hashlib.blake2b(data, digest_size=8).hexdigest()


def subscribed(resources: Resources, subscription: Subscription) -> Resources:
    """The part of the resources that was subscribed to."""
    if subscription.wildcard:
        return resources
    return {name: resources[name] for name in subscription.names if name in resources}


def update(
    kind: str, resources: Resources, subscription: Subscription, *, asked: set[str] | None = None
) -> Update | None:
    """What the proxy lacks or has too much; None when it has everything right.

    With ``asked``, the names of a question that must be answered: those that are not there count as gone.
    """
    if asked is None and resources is subscription.settled:
        return None
    want, sent = subscribed(resources, subscription), subscription.sent
    before: Resources = {} if asked is not None or subscription.settled is None else subscription.settled
    changed = {
        name: data for name, data in want.items() if before.get(name) is not data and sent.get(name) != version_of(data)
    }
    gone = {name for name in sent if name not in want}
    gone |= {name for name in asked or () if name != "*" and name not in want}
    removed = tuple(sorted(gone))
    if not changed and not removed and asked is None:
        return None
    return Update(kind=kind, changed=changed, removed=removed)


def record(subscription: Subscription, sent: Update, *, nonce: str, push: int) -> None:
    """Note what went out."""
    for name, data in sent.changed.items():
        subscription.sent[name] = version_of(data)
    for name in sent.removed:
        subscription.sent.pop(name, None)
        subscription.refusals.pop(name, None)
    subscription.nonce = subscription.last = nonce
    subscription.pushed = push
    subscription.in_flight[nonce] = sent


def answered(subscription: Subscription, nonce: str, error: str = "") -> tuple[tuple[str, ...], tuple[Update, ...]]:
    """Note an ACK, or a NACK with its text: (the resources that were refused, what must be sent again).

    Of a response with one bad resource Envoy may have taken all others, some, or none, and its text does not always
    say which it was. So what came together is sent again in halves, until a refusal is of one resource alone.
    """
    sent = subscription.in_flight.pop(nonce, None)
    if nonce == subscription.nonce:
        subscription.nonce = ""
    names = tuple(sent.changed) if sent else ()
    if not error:
        subscription.acked = nonce
        for name in names:
            subscription.refusals.pop(name, None)
        return (), ()
    if sent and len(names) + len(sent.removed) > 1:
        return (), tuple(_halves(sent, subscription))
    # What a later response has overtaken is answered for by that one.
    newest = tuple(name for name in names if sent and subscription.sent.get(name) == version_of(sent.changed[name]))
    subscription.refusals.update(dict.fromkeys(newest, error))
    return newest, ()


def _halves(sent: Update, subscription: Subscription) -> Iterator[Update]:
    """A response in two, without what a later one has overtaken."""
    removed = tuple(name for name in sent.removed if name not in subscription.sent)
    if removed:
        yield Update(kind=sent.kind, changed={}, removed=removed)
    kept = [(name, data) for name, data in sent.changed.items() if subscription.sent.get(name) == version_of(data)]
    middle = 0 if removed else len(kept) // 2
    for half in (kept[:middle], kept[middle:]):
        if half:
            yield Update(kind=sent.kind, changed=dict(half), removed=())


def forget(subscription: Subscription, names: set[str]) -> None:
    """Send these again next time, changed or not."""
    subscription.settled = None
    for name in names:
        subscription.sent.pop(name, None)
