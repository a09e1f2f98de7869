"""From a request and its counters to an answer: fixed windows, and what is counted of every limit. Pure."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from labkit.sandbox.apps.ratelimit.configuration import Domains, Entries, Limit, limit_of

NEAR = 0.8
"""The share of a limit from which hits count as near it (NEAR_LIMIT_RATIO)."""

MOST = 2**32 - 1
"""What is left of a limit that is none."""

Statistics = Counter[str]
"""``domain.key.over_limit`` → hits."""

NAMES = 20_000
"""Statistics of limits that name a request's values; from there on they count for the limit as a whole."""


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """One descriptor of a request."""

    entries: Entries
    hits: int = 1
    override: Limit | None = None
    """A limit that the request itself brings."""


@dataclass(frozen=True, kw_only=True)
class Hit:
    """What one descriptor of a request counts."""

    limit: Limit | None
    """None where nothing limits it."""

    counter: str = ""
    """The name of the counter of this window; empty where nothing is counted."""

    hits: int = 1
    is_unlimited: bool = False


@dataclass(frozen=True, kw_only=True)
class Status:
    """The answer for one descriptor."""

    is_over: bool = False
    limit: Limit | None = None
    remaining: int = 0
    reset: int = 0
    """Seconds until the window ends."""


def hits(domains: Domains, domain: str, descriptors: Sequence[Descriptor], now: float) -> list[Hit]:
    """What is counted, in the order of the descriptors; a limit that another one replaces is not."""
    # In a domain that no file has, nothing is limited, by an override neither.
    is_there = domain in domains
    limits = [(d.override if is_there else None) or limit_of(domains, domain, d.entries) for d in descriptors]
    replaced = {name for limit in limits if limit is not None for name in limit.replaces}
    return [_hit(domain, d, limit, replaced, now) for d, limit in zip(descriptors, limits, strict=True)]


def _hit(domain: str, descriptor: Descriptor, limit: Limit | None, replaced: set[str], now: float) -> Hit:
    if limit is None or (limit.name and limit.name in replaced):
        return Hit(limit=None)
    if limit.is_unlimited:
        return Hit(limit=None, is_unlimited=True)
    start = int(now) // limit.seconds * limit.seconds
    # Every value has a counter of its own, also where the file says the key alone.
    words = "_".join(f"{key}_{value}" for key, value in limit.counted or descriptor.entries)
    return Hit(limit=limit, counter=f"{domain}_{words}_{start}", hits=descriptor.hits)


def status(hit: Hit, after: int, now: float, statistics: Statistics) -> Status:
    """The answer for one descriptor whose counter stands at ``after`` with its own hits in it."""
    if hit.limit is None:
        return Status(remaining=MOST if hit.is_unlimited else 0)
    limit, most = hit.limit, hit.limit.requests
    near, before, key = math.floor(most * NEAR), after - hit.hits, _key(limit, statistics)
    statistics[f"{key}.total_hits"] += hit.hits
    reset = limit.seconds - int(now) % limit.seconds
    if after <= most:
        if after > near:
            statistics[f"{key}.near_limit"] += hit.hits if before >= near else after - near
        statistics[f"{key}.within_limit"] += hit.hits
        return Status(limit=limit, remaining=most - after, reset=reset)
    if before >= most:
        statistics[f"{key}.over_limit"] += hit.hits
    else:
        # Of several hits at once only those beyond the limit are over it.
        statistics[f"{key}.over_limit"] += after - most
        statistics[f"{key}.near_limit"] += most - max(near, before)
    if limit.is_shadow:
        statistics[f"{key}.shadow_mode"] += hit.hits
    return Status(is_over=not limit.is_shadow, limit=limit, reset=reset)


def _key(limit: Limit, statistics: Statistics) -> str:
    """The name of a limit's statistics."""
    is_full = limit.rolled_up and len(statistics) >= NAMES and f"{limit.key}.total_hits" not in statistics
    return limit.rolled_up if is_full else limit.key
