"""Columns: what a table says about each, and how a cell is made of an object."""

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.tables import descriptions

NONE, UNSET, UNKNOWN = "<none>", "<unset>", "<unknown>"

Cell = Callable[[Object], Any]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column; ``priority`` 1 shows in ``-o wide`` only."""

    name: str
    of: Cell | None = None
    """The cell of an object; for what depends on the time, ``since`` instead."""

    since: Cell | None = None
    """The time whose distance from now is the cell."""

    type: str = "string"
    format: str = ""
    description: str = ""
    """A text, or ``Model.field`` of the Kubernetes client, whose documentation is the description."""

    priority: int = 0

    def definition(self) -> Object:
        """Its entry in ``columnDefinitions``."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": descriptions.text(self.description),
            "priority": self.priority,
        }

    def cell(self, obj: Object, now: datetime.datetime) -> Any:
        """What stands in its row."""
        if self.since is not None:
            return age(self.since(obj), now)
        return self.of(obj) if self.of is not None else None


def column(name: str, of: Cell, description: str = "", **more: Any) -> Column:
    """A column of texts."""
    return Column(name=name, of=of, description=description, **more)


def wide(name: str, of: Cell, description: str = "", **more: Any) -> Column:
    """A column for ``-o wide``."""
    return Column(name=name, of=of, description=description, priority=1, **more)


def number(name: str, of: Cell, description: str = "") -> Column:
    """A column of integers."""
    return Column(name=name, of=of, description=description, type="integer")


def at(*path: str, default: Any = "") -> Cell:
    """The cell that shows the value at a path, or ``default``."""

    def cell(obj: Object) -> Any:
        value: Any = obj
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return default if value is None or value == "" else value

    return cell


def age(time: Any, now: datetime.datetime) -> str:
    """How long ago a time was, as ``kubectl get`` shows it; ``<unknown>`` for no time."""
    if not time:
        return UNKNOWN
    return duration((now - datetime.datetime.fromisoformat(time)).total_seconds())


def duration(seconds_long: float) -> str:
    """``95s``, ``3m15s``, ``25m``, ``5h10m``, ``47h``, ``3d4h``, ``200d``, ``3y20d``."""
    seconds = int(seconds_long)
    minutes, hours = seconds // 60, seconds // 3600
    days = hours // 24
    if seconds < -1:
        return "<invalid>"
    if seconds < 120:
        return f"{max(seconds, 0)}s"
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    return _two(days // 365, "y", days % 365 if days < 365 * 8 else 0, "d")


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}" + (f"{small}{small_unit}" if small else "")


def joined(items: Sequence[Any]) -> str:
    """Items with commas between."""
    return ",".join(str(item) for item in items)


def labels(mapping: Mapping[str, str] | None) -> str:
    """``app=web,tier=db``, or ``<none>``."""
    return joined([f"{key}={value}" for key, value in sorted((mapping or {}).items())]) or NONE


def selector(label_selector: Mapping[str, Any] | None) -> str:
    """A label selector as text: ``app=web,tier in (a,b),!old``."""
    if label_selector is None:
        return NONE
    terms = [(key, f"{key}={value}") for key, value in (label_selector.get("matchLabels") or {}).items()]
    for term in label_selector.get("matchExpressions") or ():
        key, values = term["key"], joined(sorted(term.get("values") or ()))
        shapes = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}
        terms.append((key, shapes.get(term["operator"], f"!{key}")))
    return joined([text for _, text in sorted(terms)]) or NONE


NAME = Column(name="Name", of=at("metadata", "name"), format="name", description="V1ObjectMeta.name")
CREATED = "V1ObjectMeta.creation_timestamp"
AGE = Column(name="Age", since=at("metadata", "creationTimestamp"), description=CREATED)
DEFAULT = (
    NAME,
    Column(name="Created At", of=at("metadata", "creationTimestamp"), type="date", description=CREATED),
)
"""The columns of a kind that nothing better is known of."""
