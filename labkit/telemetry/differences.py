"""What changed in the configuration of Envoys: virtual hosts, clusters and listeners, before and after. Pure."""

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

Parts = Mapping[tuple[str, str], Any]
"""(kind, name) → its configuration."""

DISPLAY = ("decorator", "stat_prefix", "alt_stat_name", "max_grpc_timeout")
"""Fields that change no request's way."""

LONGEST = 160
"""Characters of a value that are shown."""

Dumps = Mapping[str, str]
"""Pod → the text of its ``config_dump``."""

Snapshot = Mapping[str, Parts]
"""Pod → parts."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One part of one proxy's configuration that is not what it was."""

    proxy: str
    kind: str
    """``virtual host``, ``cluster`` or ``listener``."""

    name: str
    change: str
    """``added``, ``removed`` or ``changed``."""

    edits: tuple["Edit", ...] = ()
    """Which fields differ, of a part that was changed; of one that came or went, nothing."""

    @property
    def lines(self) -> tuple[str, ...]:
        """The edits, a line each: ``routes[0].route.weighted_clusters.clusters[0].weight: 90 → 80``."""
        return tuple(map(str, self.edits))


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One field, before and after; None where it is not there."""

    path: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.path}: {_short(self.old)} → {_short(self.new)}"


def parts(dump: Mapping[str, Any]) -> Parts:
    """The parts of an Envoy's ``config_dump``."""
    return dict(_parts(dump))


def _parts(dump: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], Any]]:
    for section in dump.get("configs", []):
        for entry in section.get("dynamic_route_configs", []):
            for host in entry["route_config"].get("virtual_hosts", []):
                yield ("virtual host", host["name"]), host
        for entry in section.get("dynamic_active_clusters", []):
            yield ("cluster", entry["cluster"]["name"]), entry["cluster"]
        for entry in section.get("dynamic_listeners", []):
            if "active_state" in entry:
                yield ("listener", entry["name"]), entry["active_state"]["listener"]


def snapshot(dumps: Dumps) -> Snapshot:
    """The parts of every dump."""
    return {name: parts(json.loads(text)) for name, text in dumps.items()}


def between(before: Snapshot, after: Snapshot) -> list[Difference]:
    """Every difference of proxies that are in both, by proxy, kind and name."""
    differences = []
    for proxy in sorted(before.keys() & after.keys()):
        old, new = before[proxy], after[proxy]
        for kind, name in sorted(old.keys() | new.keys()):
            one, other = old.get((kind, name)), new.get((kind, name))
            if one != other:
                change = "added" if one is None else "removed" if other is None else "changed"
                changed = tuple(edits(one, other)) if change == "changed" else ()
                if change != "changed" or changed:
                    differences.append(Difference(proxy=proxy, kind=kind, name=name, change=change, edits=changed))
    return differences


def edits(old: Any, new: Any, path: str = "") -> Iterator[Edit]:
    """Every field that differs; items that came into a list or left it are told from those that were changed."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(k for k in new if k not in old)]:
            if key not in DISPLAY and old.get(key) != new.get(key):
                yield from edits(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(old, list) and isinstance(new, list):
        yield from _items(old, new, path)
    elif old != new:
        yield Edit(path=path, old=old, new=new)


def _items(old: list[Any], new: list[Any], path: str) -> Iterator[Edit]:
    before, after = ([json.dumps(item, sort_keys=True) for item in items] for items in (old, new))
    for kind, a, b, c, d in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "replace" and b - a == d - c:
            for one, other in zip(range(a, b), range(c, d), strict=True):
                yield from edits(old[one], new[other], f"{path}[{other}]")
        elif kind != "equal":
            yield from (Edit(path=f"{path}[{n}]", old=old[n], new=None) for n in range(a, b))
            yield from (Edit(path=f"{path}[{n}]", old=None, new=new[n]) for n in range(c, d))


def _short(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}…"


def frame(differences: list[Difference]) -> "pd.DataFrame":
    """A row a field: kind, name, change, what, and the proxies that have it, ``6: details-v1, productpage-v1, …``."""
    import pandas as pd

    whose: dict[tuple[str, str, str, str], list[str]] = {}
    for difference in differences:
        for line in difference.lines or ("",):
            whose.setdefault((difference.kind, difference.name, difference.change, line), []).append(difference.proxy)
    rows = [(*what, f"{len(pods)}: {', '.join(workload(pod) for pod in pods)}") for what, pods in whose.items()]
    # pandas cuts every text at 50 characters, and what changed stands at the end of a line.
    pd.set_option("display.max_colwidth", max(LONGEST * 2, pd.get_option("display.max_colwidth") or 1000))
    return pd.DataFrame(rows, columns=["kind", "name", "change", "what", "proxies"])


def workload(pod: str) -> str:
    """``reviews-v1`` of ``reviews-v1-9nb5g9rml5-w44kj``."""
    return pod.rsplit("-", 2)[0]
