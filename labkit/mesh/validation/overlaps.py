"""Rules of a VirtualService that another one before them leaves nothing to do."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from labkit.mesh.validation.findings import Finding, each, warning

_CONDITIONS = (
    "headers",
    "withoutHeaders",
    "queryParams",
    "port",
    "method",
    "authority",
    "scheme",
    "sourceLabels",
    "gateways",
)


class _Prefix(NamedTuple):
    rule: str
    match: str
    number: int
    prefix: str
    others: Mapping[str, Any]


def findings(rules: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """A warning for each."""
    seen: list[tuple[Mapping[str, Any], int]] = []
    prefixes: list[_Prefix] = []
    has_catch_all = False
    for number, rule in enumerate(rules):
        title = _title(rule, number)
        if not rule.get("match"):
            if has_catch_all:
                yield _unused(title, "only the last rule can have no matches")
            has_catch_all = True
            continue
        repeated = 0
        for at, match in enumerate(each(rule["match"])):
            earlier = next((n for found, n in seen if found == match), None)
            if earlier is not None:
                repeated += 1
                yield _ineffective(f"{title} match {_name(match, at)}", _title(rules[earlier], earlier))
                continue
            seen.append((match, number))
            if "prefix" in (match.get("uri") or {}):
                prefixes.append(_Prefix(title, _name(match, at), at, match["uri"]["prefix"], _others(match)))
        if repeated == len(rule["match"]):
            yield _unused(title, "all matches used by prior rules")
        elif has_catch_all:
            yield _unused(title, "route without matches defined before")
    yield from _covered(prefixes)


def _covered(prefixes: Sequence[_Prefix]) -> Iterator[Finding]:
    for at, found in enumerate(prefixes):
        for earlier in prefixes[:at]:
            if found.prefix.startswith(earlier.prefix) and earlier.others.items() <= found.others.items():
                place = f"rule {earlier.match} of prefix {earlier.prefix} on {earlier.rule}"
                yield _ineffective(f"{found.rule} match {found.match} of prefix {found.prefix}", place)
                break


def _others(match: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{key}": str(match[key]) for key in _CONDITIONS if match.get(key)}


def _title(rule: Mapping[str, Any], number: int) -> str:
    return f'"{rule["name"]}"' if rule.get("name") else f"#{number}"


def _name(match: Mapping[str, Any], at: int) -> str:
    return f'"{match["name"]}"' if match.get("name") else f"#{at}"


def _unused(title: str, why: str) -> Finding:
    return warning(f"virtualService rule {title} not used ({why})")


def _ineffective(what: str, earlier: str) -> Finding:
    place = earlier if earlier.startswith("rule ") else f"rule {earlier}"
    return warning(f"virtualService rule {what} is not used (duplicate/overlapping match in {place})")
