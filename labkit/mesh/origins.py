"""Which field of an object each leaf of an Envoy's configuration comes from: change the field, compile again, compare.

So the answer is right by construction, for every kind of object, and the compiler need not know that anybody asks. What
an object brings without any field of its own deciding about it is Istio's default for that object.
"""

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from labkit.kube.resources import Object
from labkit.mesh import compiler, gateway_api, ingress
from labkit.mesh.model import Config, Proxy, Snapshot

KINDS = ("clusters", "endpoints", "listeners", "extensions", "routes", "secrets")
Step = str | int
Place = tuple[str, str, tuple[Step, ...]]
"""Kind, name of the resource, and the path of a leaf in it."""

DURATION = re.compile(r"\d+(\.\d+)?(ms|s|m|h)")
ENUM = re.compile(r"[A-Z][A-Z0-9_]+")
PERCENT = re.compile(r"\d+(\.\d+)?%")
ROOTS = ("spec", "data", "endpoints", "ports")
"""Where an object says what it wants; a slice of endpoints and a ConfigMap have no ``spec``."""

PODS = ("pods", "namespaces")

GONE = object()
"""Stands for a field that is taken out."""


@dataclass(frozen=True, kw_only=True, order=True)
class Origin:
    """A part of an Envoy's resource, and the field that decides about it."""

    kind: str
    name: str
    path: str
    """In the resource: ``virtual_hosts[0].routes[0].route.timeout``."""

    field: str
    """In the object: ``spec.http[0].timeout``; empty where the whole object brings it, by a default of Istio's."""

    steps: tuple[Step, ...] = dataclasses.field(default=(), compare=False)
    """The path, step by step: names in it may have dots and brackets."""


class Tracer:
    """One proxy's configuration, traced back to the objects of a snapshot (as they are stored)."""

    def __init__(self, snapshot: Snapshot, proxy: Proxy) -> None:
        self._snapshot, self._proxy = snapshot, proxy
        self._index = _index(snapshot, None)
        self.config = self._index.config(proxy)

    def of(self, kind: str, obj: Object) -> dict[Place, str]:
        """Leaf → field for everything that an object decides about; ``kind`` is its key in the snapshot."""
        whole = self._changed(kind, obj, None)
        if not whole:
            return {}  # it decides nothing here; another selector might make it, which is no answer
        written = leaves({key: obj[key] for key in ROOTS if key in obj})
        by_field = {path_of(path): self._of_leaf(kind, obj, path, value) for path, value in written}
        by_field = {field: places for field, places in by_field.items() if places}
        weight = Counter({field: len(places) for field, places in by_field.items()})
        # A field that renames a resource changes all of it: the field that changes least is the one a leaf is about.
        fields: dict[Place, str] = dict.fromkeys(whole, "")
        for field in sorted(by_field, key=lambda field: (-weight[field], field)):
            fields |= dict.fromkeys(by_field[field], field)
        return fields | self._of_parts(kind, obj, {place for place, field in fields.items() if not field})

    def _of_parts(self, kind: str, obj: Object, left: set[Place]) -> dict[Place, str]:
        """For leaves that no single value decides about: the smallest part of the object without which they are not."""
        fields: dict[Place, str] = {}
        written = {key: obj[key] for key in ROOTS if key in obj}
        for path in sorted(parts(written), key=lambda path: -len(path)):
            if not left:
                break
            if changed := self._changed(kind, obj, with_value(obj, path, GONE)) & left:
                fields |= dict.fromkeys(changed, path_of(path))
                left = left - changed
        return fields

    def of_mesh_config(self) -> dict[Place, str]:
        """The same for the mesh configuration: ``accessLogFile``, ``outboundTrafficPolicy.mode``."""
        written = self._snapshot.mesh_config
        whole = self._unlike(replace(self._snapshot, mesh_config={}))
        fields: dict[Place, str] = dict.fromkeys(whole, "")
        for path, value in leaves(written):
            for other in (*others(value), GONE):
                changed = self._unlike(replace(self._snapshot, mesh_config=with_value(written, path, other)))
                if changed:
                    fields |= dict.fromkeys(changed, path_of(path))
                    break
        return fields

    def everything(self) -> dict[Place, tuple[Object | None, str]]:
        """Every leaf that any object decides about, with object and field; no object is the mesh configuration."""
        traced: dict[Place, tuple[Object | None, str]] = {
            place: (None, field) for place, field in self.of_mesh_config().items()
        }
        every = [(kind, obj) for kind, listed in self._snapshot.objects.items() for obj in listed]
        for kind, obj in every:
            for place, field in self.of(kind, obj).items():
                # A field that decides is more than an object without which the leaf would not be.
                if field or place not in traced:
                    traced[place] = obj, field
        left = set(differences(self.config, self._alone())) - traced.keys()
        for kind, obj in every if left else ():
            # What several bring, each alone: two Services with a port 80 share a listener.
            left -= self._brought(left, self._with_only(kind, obj), kind, obj, traced)
        for kind, obj in every if left else ():
            # What several of one kind bring, each beside the other kinds: of two VirtualServices of a host one is idle.
            if len(self._snapshot.of(kind)) > 1:
                objects = {**self._snapshot.objects, kind: [obj]}
                only = Tracer(replace(self._snapshot, objects=objects), self._proxy)
                left -= self._brought(left, only, kind, obj, traced)
        return traced

    def _brought(
        self,
        left: set[Place],
        only: "Tracer",
        kind: str,
        obj: Object,
        traced: dict[Place, tuple[Object | None, str]],
    ) -> set[Place]:
        """The leaves that are there with this object in a smaller mesh, and not without it; they are noted."""
        brought = left - set(differences(self.config, only.config))
        if not brought:
            return set()
        nothing = {**only._snapshot.objects, kind: []}
        without = _index(replace(only._snapshot, objects=nothing), None).config(self._proxy)
        brought &= set(differences(self.config, without))
        fields = only.of(kind, obj) if brought else {}
        traced |= {place: (obj, _nearest(place, fields)) for place in brought}
        return brought

    def without_objects(self) -> Config:
        """What the proxy would have in a mesh without objects."""
        return self._alone()

    def _alone(self, kind: str = "", obj: Object | None = None) -> Config:
        """The configuration with one object, or with none."""
        return self._with_only(kind, obj).config

    def _with_only(self, kind: str = "", obj: Object | None = None) -> "Tracer":
        """The proxy in a mesh of one object, or of none: pods alone make no mesh."""
        kept = {key: listed if key in PODS else [] for key, listed in self._snapshot.objects.items()}
        if obj is not None:
            kept[kind] = [obj]
        return Tracer(replace(self._snapshot, objects=kept), self._proxy)

    def _of_leaf(self, kind: str, obj: Object, path: tuple[Step, ...], value: Any) -> set[Place]:
        for other in (*others(value), GONE):
            if changed := self._changed(kind, obj, with_value(obj, path, other)):
                return changed
        return set()

    def _changed(self, kind: str, obj: Object, other: Object | None) -> set[Place]:
        """The leaves that are not as they would be with another object; none where that one makes no sense."""
        listed = [other if o is obj else o for o in self._snapshot.of(kind)]
        objects = {**self._snapshot.objects, kind: [o for o in listed if o is not None]}
        return self._unlike(replace(self._snapshot, objects=objects))

    def _unlike(self, snapshot: Snapshot) -> set[Place]:
        try:
            config = _index(snapshot, self._index).config(self._proxy)
        except Exception:  # a change tried at random may be one that nobody could apply
            return set()
        return set(differences(self.config, config))


def _nearest(place: Place, fields: Mapping[Place, str]) -> str:
    """The field of a leaf, or where it stands elsewhere in its resource, the one that most of the resource is about."""
    if fields.get(place):
        return fields[place]
    of_resource = Counter(field for (kind, name, _), field in fields.items() if (kind, name) == place[:2] and field)
    return next((field for field, _ in of_resource.most_common(1)), "")


def _index(snapshot: Snapshot, previous: compiler.Index | None) -> compiler.Index:
    converted = gateway_api.convert(snapshot)
    return compiler.index(ingress.expanded(gateway_api.expanded(snapshot, converted)), previous)


def others(value: Any) -> tuple[Any, ...]:
    """Values to try in place of one: of its kind, so that only what depends on the value changes."""
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, int | float):
        return (value + 1, value - 1)
    if not isinstance(value, str):
        return ()
    if DURATION.fullmatch(value):
        return ("7.5s",) if value != "7.5s" else ("8.5s",)
    if PERCENT.fullmatch(value) or ENUM.fullmatch(value):
        return ()
    return (f"{value}x", f"x{value}")


def leaves(value: Any, path: tuple[Step, ...] = ()) -> Iterator[tuple[tuple[Step, ...], Any]]:
    """Path and value of every leaf; an empty map or list is one."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list | tuple) and value:
        for at, inner in enumerate(value):
            yield from leaves(inner, (*path, at))
    elif path:
        yield path, value


def parts(value: Any, path: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """The paths of all maps and lists that have something in them, the outer before the inner."""
    inner: Iterable[tuple[Step, Any]] = ()
    if isinstance(value, Mapping):
        inner = value.items()
    elif isinstance(value, list | tuple):
        inner = enumerate(value)
    for step, part in inner:
        if part and isinstance(part, Mapping | list | tuple):
            yield (*path, step)
            yield from parts(part, (*path, step))


def with_value(value: Any, path: Sequence[Step], new: Any) -> Any:
    """A copy with another value at a path; ``GONE`` takes the field out."""
    if not path:
        return new
    first, *rest = path
    inner = with_value(value[first], rest, new)
    if isinstance(value, Mapping):
        return {k: inner if k == first else v for k, v in value.items() if inner is not GONE or k != first}
    return [inner if at == first else v for at, v in enumerate(value) if inner is not GONE or at != first]


def differences(now: Config, other: Config) -> Iterator[Place]:
    """The leaves of ``now`` that ``other`` lacks or has otherwise."""
    for kind in KINDS:
        before: Mapping[str, Any] = getattr(other, kind)
        for name, resource in getattr(now, kind).items():
            yield from ((kind, name, path) for path in _unlike(resource, before.get(name, GONE), ()))


def _unlike(now: Any, other: Any, path: tuple[Step, ...]) -> Iterator[tuple[Step, ...]]:
    if now is other or now == other:
        return
    if isinstance(now, Mapping) and isinstance(other, Mapping) and now:
        for key, inner in now.items():
            yield from _unlike(inner, other.get(key, GONE), (*path, key))
    elif isinstance(now, list | tuple) and isinstance(other, list | tuple) and now:
        for at, inner in enumerate(now):
            yield from _unlike(inner, _counterpart(at, inner, now, other), (*path, at))
    else:
        yield from (place for place, _ in leaves(now, path))


def _counterpart(at: int, item: Any, now: Sequence[Any], other: Sequence[Any]) -> Any:
    """What stands for an item in another list: the same thing, the one of its name, or the one in its place."""
    if item in other:
        return item
    if isinstance(item, Mapping) and "name" in item:
        # Two filter chains may share a name: then the first is compared with the first.
        before = sum(1 for o in now[:at] if isinstance(o, Mapping) and o.get("name") == item["name"])
        named = [o for o in other if isinstance(o, Mapping) and o.get("name") == item["name"]]
        return named[before] if before < len(named) else GONE
    return other[at] if len(now) == len(other) else GONE


def path_of(path: Sequence[Step]) -> str:
    """``spec.http[0].timeout``; a step that is no plain word stands in brackets."""
    text = ""
    for step in path:
        is_plain = isinstance(step, str) and re.fullmatch(r"[A-Za-z_@]\w*", step)
        text += f".{step}" if is_plain else f"[{step}]"
    return text.removeprefix(".")


def value_at(value: Any, path: str) -> Any:
    """The value at ``spec.http[0].route``; None where there is none, and the whole for no path."""
    for step in re.findall(r"[^.\[\]]+|\[[^\]]*\]", path):
        name = step.removeprefix("[").removesuffix("]")
        if isinstance(value, list | tuple):
            value = value[int(name)] if name.isdecimal() and int(name) < len(value) else None
        else:
            value = value.get(name) if isinstance(value, Mapping) else None
    return value


def at(value: Any, steps: Sequence[Step]) -> Any:
    """The value at a path."""
    for step in steps:
        value = value[step]
    return value


def grouped(config: Config, fields: Mapping[Place, str]) -> list[Origin]:
    """One entry for each largest part of a resource whose leaves all come from the same field."""
    by_resource: dict[tuple[str, str], dict[tuple[Step, ...], str]] = {}
    for (kind, name, path), field in fields.items():
        by_resource.setdefault((kind, name), {})[path] = field
    return sorted(
        Origin(kind=kind.removesuffix("s"), name=name, path=path_of(path), field=field, steps=path)
        for (kind, name), own in by_resource.items()
        for path, field in _parts(getattr(config, kind)[name], (), own)
    )


def _parts(
    value: Any, path: tuple[Step, ...], own: Mapping[tuple[Step, ...], str]
) -> Iterator[tuple[tuple[Step, ...], str]]:
    below = {own.get(leaf) for leaf, _ in leaves(value, path)}
    if len(below) == 1:
        (field,) = below
        if field is not None:
            yield path, field
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _parts(inner, (*path, key), own)
    elif isinstance(value, list | tuple):
        for at, inner in enumerate(value):
            yield from _parts(inner, (*path, at), own)
