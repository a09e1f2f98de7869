"""Which object is behind a resource that an Envoy refuses: the one without whose change it would be another."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import compiler, gateway_api, ingress, model

Place = str
"""The kind's key in a snapshot: ``virtualservices.networking.istio.io``."""

Compile = Callable[[model.Snapshot], compiler.Index]
_WORD = re.compile(r"[\w-]{3,}")
_STEP = re.compile(r"\.?(\w+)\[(\d+)\]")


@dataclass(frozen=True, kw_only=True)
class Change:
    """One object that changed since the last push."""

    place: Place
    old: Object | None
    new: Object | None

    @property
    def object(self) -> Object:
        """Its newest form; the last one of an object that is gone."""
        return self.new or self.old or {}


class Blame:
    """Whom each refusal was put down to, for as long as the objects stay as they are."""

    def __init__(self) -> None:
        self._standing: dict[str, list[Change]] = {}

    def of(
        self,
        snapshot: model.Snapshot,
        recent: Sequence[Change],
        proxy: model.Proxy,
        kind: str,
        names: Iterable[str],
        text: str,
    ) -> list[Object]:
        """Objects behind a refusal: those it was put down to before, else those that changed since."""
        self._standing = {
            text: kept
            for text, changes in self._standing.items()
            if (kept := [c for c in changes if _stands(c, snapshot)])
        }
        if text not in self._standing:
            suspects = {resources.uid_of(c.object): c for changes in self._standing.values() for c in changes}
            suspects |= {resources.uid_of(c.object): c for c in recent}
            objects = culprits(snapshot, list(suspects.values()), proxy, kind, names, text)
            self._standing[text] = [suspects[resources.uid_of(obj)] for obj in objects]
        return [change.object for change in self._standing[text]]

    def names_of(self, text: str) -> list[str]:
        """``KIND/NAMESPACE/NAME`` of the objects a refusal was put down to."""
        return [name_of(change.object) for change in self._standing.get(text, ())]


def name_of(obj: Object) -> str:
    """``KIND/NAMESPACE/NAME``."""
    return f"{obj['kind']}/{resources.namespace_of(obj)}/{resources.name_of(obj)}"


def _stands(change: Change, snapshot: model.Snapshot) -> bool:
    """Whether the object is in the snapshot as it was blamed."""
    return any(obj is change.new or obj == change.new for obj in snapshot.of(change.place))


def reverted(snapshot: model.Snapshot, change: Change) -> model.Snapshot:
    """The snapshot as if that change had not been."""
    uid = resources.uid_of(change.object)
    kept = [obj for obj in snapshot.of(change.place) if resources.uid_of(obj) != uid]
    if change.old is not None:
        kept.append(change.old)
    return replace(snapshot, objects={**snapshot.objects, change.place: kept})


def compiled(snapshot: model.Snapshot) -> compiler.Index:
    """The index of a snapshot, the Gateway API and Ingresses in it."""
    return compiler.index(ingress.expanded(gateway_api.expanded(snapshot, gateway_api.convert(snapshot))))


def culprits(
    snapshot: model.Snapshot,
    changes: Sequence[Change],
    proxy: model.Proxy,
    kind: str,
    names: Iterable[str],
    text: str,
    compile_: Compile = compiled,
) -> list[Object]:
    """Changed objects behind the named resources of a proxy; all changed ones when none can be told apart."""
    refused = list(names)
    now = _resources(compile_(snapshot), proxy, kind)
    guilty, exact = [], []
    for change in changes:
        before = _resources(compile_(reverted(snapshot, change)), proxy, kind)
        touched = [name for name in refused if now.get(name) != before.get(name)]
        if touched:
            guilty.append(change.object)
        if any(_is_at_fault(now.get(name), before.get(name), text) for name in touched):
            exact.append(change.object)
    suspects = exact or guilty or [change.object for change in changes]
    return _quoted(suspects, text) or suspects


def unbearable(snapshot: model.Snapshot, changes: Sequence[Change], compile_: Compile = compiled) -> list[Change]:
    """Changes without each of which the snapshot compiles again."""
    guilty = []
    for change in changes:
        try:
            compile_(reverted(snapshot, change))
        except Exception:  # Whatever a compiler trips over; that is what is asked here.
            continue
        guilty.append(change)
    return guilty


def _quoted(objects: Sequence[Object], text: str) -> list[Object]:
    """Those objects whose own words the text repeats; none when that tells nobody apart."""
    words_of = {resources.uid_of(obj): _words(obj.get("spec")) for obj in objects}
    everywhere = set.intersection(*words_of.values()) if words_of else set()
    words = set(_WORD.findall(text)) - everywhere
    return [obj for obj in objects if words_of[resources.uid_of(obj)] & words]


def _words(value: Any) -> set[str]:
    """Words of the texts in a value, its field names not among them."""
    if isinstance(value, dict):
        return set().union(*map(_words, value.values()))
    if isinstance(value, list):
        return set().union(*map(_words, value))
    return set(_WORD.findall(value)) if isinstance(value, str) else set()


def _resources(index: compiler.Index, proxy: model.Proxy, kind: str) -> Mapping[str, Any]:
    compiled: Mapping[str, Any] = getattr(index.for_proxy(proxy), kind, {})
    return compiled


def _is_at_fault(now: Any, before: Any, text: str) -> bool:
    """Whether the element that the text points at (``VirtualHosts[0].Routes[2]``) is not among those of before."""
    steps = [(_snake(name), int(at)) for name, at in _STEP.findall(text)]
    element, elements = now, [before]
    for name, at in steps:
        parts = element.get(name) if isinstance(element, dict) else None
        if not isinstance(parts, list) or at >= len(parts):
            return False
        element = parts[at]
        elements = [item for e in elements if isinstance(e, dict) for item in e.get(name) or []]
    return bool(steps) and element not in elements


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
