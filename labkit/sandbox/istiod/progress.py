"""Which push brought an object to the proxies, and who has taken it. Pure bookkeeping."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from labkit.kube import resources
from labkit.kube.resources import Object

Key = tuple[str, str, str]
"""Kind, namespace, name."""


def key_of(obj: Object) -> Key:
    """Of an object."""
    return str(obj["kind"]), resources.namespace_of(obj), resources.name_of(obj)


@dataclass(kw_only=True)
class Record:
    """The newest version of one object that was pushed."""

    version: str
    """Its resourceVersion."""

    push: int
    """The first push that had it."""

    seen: float
    """When istiod heard of it, on a clock that only grows."""

    is_gone: bool = False
    live_after: float | None = None
    """Seconds from then until every connected proxy had taken it; None until then."""


@dataclass(frozen=True, kw_only=True)
class Taker:
    """One proxy, as far as progress goes."""

    name: str
    push: int
    """The last push it has taken whole."""

    refused: bool
    """Whether it keeps a resource from before."""

    refuses: frozenset[Key] = frozenset()
    """Objects that it does without, for it refuses what they make."""


@dataclass(kw_only=True)
class Progress:
    """Every object that people wrote, every EndpointSlice, and the push of each."""

    clock: Callable[[], float] = time.monotonic
    records: dict[Key, Record] = field(default_factory=dict)
    on_live: Callable[[float], None] = lambda _: None
    """Told the seconds from a change until every proxy had it."""

    _waiting: dict[Key, tuple[Object, float, bool]] = field(default_factory=dict)
    _under_way: set[Key] = field(default_factory=set)

    def note(self, obj: Object, *, is_gone: bool = False) -> None:
        """An object changed; the next push has it."""
        self._waiting[key_of(obj)] = obj, self.clock(), is_gone

    def touch(self, obj: Object) -> None:
        """A new version that says the same: what was pushed holds for it too."""
        record = self.records.get(key_of(obj))
        if key_of(obj) in self._waiting:
            self.note(obj)
        elif record is not None:
            record.version = str(obj["metadata"].get("resourceVersion", ""))

    def pushed(self, push: int) -> None:
        """All that was noted has gone out."""
        for key, (obj, seen, is_gone) in self._waiting.items():
            version = str(obj["metadata"].get("resourceVersion", ""))
            self.records[key] = Record(version=version, push=push, seen=seen, is_gone=is_gone)
            self._under_way.add(key)
        self._waiting = {}

    @property
    def is_settled(self) -> bool:
        """Whether all that went out has arrived."""
        return not self._under_way

    def settle(self, taken: int) -> None:
        """Note what has arrived everywhere: all up to this push."""
        now = self.clock()
        for key in [k for k in self._under_way if self.records[k].push <= taken]:
            self._under_way.discard(key)
            self.records[key].live_after = took = now - self.records[key].seen
            self.on_live(took)

    def push_of(self, key: Key, version: str = "", *, gone: bool = False) -> int | None:
        """The push that had this version, or the deletion; None while none had."""
        record = self._record(key, version, gone=gone)
        return record.push if record is not None else None

    def _record(self, key: Key, version: str, *, gone: bool) -> Record | None:
        record = self.records.get(key)
        if record is None or (gone and not record.is_gone):
            return None
        is_older = version.isdigit() and record.version.isdigit() and int(record.version) < int(version)
        return None if is_older else record

    def report(self, key: Key, takers: Iterable[Taker], *, version: str = "", gone: bool = False) -> Object:
        """What the debug door says of one object; ``version``, or its deletion, is what must be in it."""
        record, proxies = self._record(key, version, gone=gone), list(takers)
        if record is None:
            nothing: Object = {"refusing": [], "milliseconds": None}
            return {
                "included": False,
                "proxies": len(proxies),
                "live": 0,
                "waiting": [t.name for t in proxies],
            } | nothing
        # A refusal of an earlier push may be over with this one: only its answer tells.
        behind = [t.name for t in proxies if t.push < record.push]
        refusing = [t.name for t in proxies if t.push >= record.push and (t.refused or key in t.refuses)]
        return {
            "included": True,
            "deleted": record.is_gone,
            "resourceVersion": record.version,
            "push": record.push,
            "proxies": len(proxies),
            "live": len(proxies) - len(behind) - len(refusing),
            "waiting": behind,
            "refusing": refusing,
            "milliseconds": None if record.live_after is None else round(record.live_after * 1000, 1),
        }
