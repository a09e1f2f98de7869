"""What changed in the configuration of Envoys: virtual hosts, clusters and listeners, before and after. Pure."""

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

    lines: tuple[str, ...]
    """Which fields differ: ``routes[0].route.weighted_clusters.clusters[0].weight: 90 → 80``."""


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


def between(before: Snapshot, after: Snapshot) -> list[Difference]:
    """Every difference of proxies that are in both, by proxy, kind and name."""
    found = []
    for proxy in sorted(before.keys() & after.keys()):
        old, new = before[proxy], after[proxy]
        for kind, name in sorted(old.keys() | new.keys()):
            one, other = old.get((kind, name)), new.get((kind, name))
            if one != other:
                change = "added" if one is None else "removed" if other is None else "changed"
                lines = tuple(fields(one, other)) if change == "changed" else ()
                found.append(Difference(proxy=proxy, kind=kind, name=name, change=change, lines=lines))
    return found


def fields(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """A line for each field that differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(k for k in new if k not in old)]:
            if key not in DISPLAY and old.get(key) != new.get(key):
                yield from fields(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (one, other) in enumerate(zip(old, new, strict=True)):
            if one != other:
                yield from fields(one, other, f"{path}[{number}]")
    else:
        yield f"{path}: {_short(old)} → {_short(new)}"


def _short(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}…"


def frame(found: list[Difference]) -> "pd.DataFrame":
    """A row a field: kind, name, change, what, and the proxies that have it, ``6: details-v1, productpage-v1, …``."""
    import pandas as pd

    whose: dict[tuple[str, str, str, str], list[str]] = {}
    for difference in found:
        for line in difference.lines or ("",):
            whose.setdefault((difference.kind, difference.name, difference.change, line), []).append(difference.proxy)
    rows = [(*what, f"{len(pods)}: {', '.join(_workload(pod) for pod in pods)}") for what, pods in whose.items()]
    # pandas cuts every text at 50 characters, and what changed stands at the end of a line.
    pd.set_option("display.max_colwidth", max(LONGEST * 2, pd.get_option("display.max_colwidth") or 1000))
    return pd.DataFrame(rows, columns=["kind", "name", "change", "what", "proxies"])


def _workload(pod: str) -> str:
    """``reviews-v1`` of ``reviews-v1-9nb5g9rml5-w44kj``."""
    return pod.rsplit("-", 2)[0]
