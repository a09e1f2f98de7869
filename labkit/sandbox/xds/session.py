"""One proxy's stream: what it asked for, what it was sent, what it took and what it refused. Pure bookkeeping."""

import hashlib
from collections.abc import Mapping
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

    refused: str = ""
    """The text of the last NACK; empty after an ACK."""


@dataclass(frozen=True, kw_only=True)
class Update:
    """A delta to send."""

    kind: str
    changed: dict[str, bytes]
    removed: tuple[str, ...]


def version_of(data: bytes) -> str:
    """A version by content: what did not change keeps it."""
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def wanted(found: Resources, subscription: Subscription) -> dict[str, bytes]:
    """The part of the resources that was subscribed to."""
    if subscription.wildcard:
        return dict(found)
    return {name: found[name] for name in subscription.names if name in found}


def update(
    kind: str, found: Resources, subscription: Subscription, *, asked: set[str] | None = None
) -> Update | None:
    """What the proxy lacks or has too much; None when it has everything right.

    With ``asked``, the names of a question that must be answered: those that are not there count as gone.
    """
    want = wanted(found, subscription)
    changed = {name: data for name, data in want.items() if subscription.sent.get(name) != version_of(data)}
    gone = {name for name in subscription.sent if name not in want}
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
    subscription.nonce, subscription.pushed = nonce, push


def forget(subscription: Subscription, names: set[str]) -> None:
    """Send these again next time, changed or not."""
    for name in names:
        subscription.sent.pop(name, None)
