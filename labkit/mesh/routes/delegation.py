"""``delegate``: rules of other VirtualServices in the place of one's own."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import names
from labkit.mesh.hosts import visibility

Delegates = Mapping[tuple[str, str], Object]
"""VirtualServices without hosts, by namespace and name."""

Rule = Mapping[str, Any]

INHERITED = (
    "rewrite",
    "directResponse",
    "timeout",
    "retries",
    "fault",
    "mirror",
    "mirrorPercent",
    "mirrorPercentage",
    "mirrors",
    "corsPolicy",
    "headers",
)
"""What the delegate takes from the root where it says nothing itself."""


def delegates_of(obj: Object, delegates: Delegates) -> list[Object]:
    """The objects that a root's rules name, where there are any."""
    if not delegates:
        return []
    named = [_delegate(rule, resources.namespace_of(obj), delegates) for rule in obj["spec"].get("http") or ()]
    return [d for d in named if d is not None]


def _delegate(rule: Rule, namespace: str, delegates: Delegates) -> Object | None:
    reference = rule.get("delegate")
    return delegates.get((reference.get("namespace") or namespace, reference.get("name", ""))) if reference else None


def merged(obj: Object, delegates: Delegates, default: Sequence[str]) -> list[Rule]:
    """The http rules of a root; one whose delegate is missing, or not for its namespace, vanishes."""
    namespace, rules = resources.namespace_of(obj), []
    for rule in obj["spec"].get("http") or ():
        if not rule.get("delegate"):
            rules.append(rule)
            continue
        other = _delegate(rule, namespace, delegates)
        if other is not None and visibility.is_for(
            visibility.audience(other["spec"].get("exportTo"), resources.namespace_of(other), default), namespace
        ):
            rules += _joined(rule, other)
    return rules


def _joined(root: Rule, other: Object) -> Iterator[Rule]:
    for rule in other["spec"].get("http") or ():
        matches = _matches(list(root.get("match") or ()), list(rule.get("match") or ()))
        if matches is None:
            continue
        joined = {**_with_full_hosts(rule, resources.namespace_of(other)), "match": matches}
        for key in INHERITED:
            if joined.get(key) is None and root.get(key) is not None:
                joined[key] = root[key]
        name = "-".join(n for n in (root.get("name"), rule.get("name")) if n)
        yield {**joined, "name": name} if name else joined


def _with_full_hosts(rule: Rule, namespace: str) -> dict[str, Any]:
    """Short names in a delegate are those of its own namespace, not of the root's."""

    def full(destination: Mapping[str, Any]) -> dict[str, Any]:
        return {**destination, "host": names.full_host(destination.get("host", ""), namespace)}

    renamed = dict(rule)
    for key in ("route", "mirrors"):
        if rule.get(key):
            renamed[key] = [{**d, "destination": full(d.get("destination") or {})} for d in rule[key]]
    if rule.get("mirror"):
        renamed["mirror"] = full(rule["mirror"])
    return renamed


def _matches(root: list[Any], own: list[Any]) -> list[Any] | None:
    """Every match of the delegate must be within one of the root's; None where one is not."""
    if not root or not own:
        return own or root
    joined = []
    for match in own:
        fitting = [_match(outer, match) for outer in root if not _conflicts(outer or {}, match or {})]
        if not fitting:
            return None
        joined += fitting
    return joined


def _match(outer: Mapping[str, Any], inner: Mapping[str, Any]) -> dict[str, Any]:
    joined = {**outer, **{k: v for k, v in inner.items() if v is not None}}
    for key in ("headers", "withoutHeaders", "queryParams"):
        both = {**(outer.get(key) or {}), **(inner.get(key) or {})}
        if both:
            joined[key] = both
    return joined


def _conflicts(outer: Mapping[str, Any], inner: Mapping[str, Any]) -> bool:
    for key in ("uri", "scheme", "method", "authority"):
        if outer.get(key) and inner.get(key) and not _is_within(inner[key], outer[key]):
            return True
    for key in ("headers", "withoutHeaders", "queryParams"):
        both = (outer.get(key) or {}).keys() & (inner.get(key) or {}).keys()
        if any(not _is_within(inner[key][name] or {}, outer[key][name] or {}) for name in both):
            return True
    for key in ("port", "sourceNamespace"):
        if outer.get(key) and inner.get(key) and outer[key] != inner[key]:
            return True
    return bool(outer.get("ignoreUriCase", False)) != bool(inner.get("ignoreUriCase", False))


def _is_within(inner: Mapping[str, Any], outer: Mapping[str, Any]) -> bool:
    if "prefix" in outer:
        text = inner.get("exact", inner.get("prefix"))
        return text is not None and str(text).startswith(outer["prefix"])
    # Whether one regular expression is within another cannot be told.
    return inner == outer and "regex" not in inner
