"""Rules of a VirtualService that another one before them leaves nothing to do."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from labkit.mesh.validation.findings import Finding, each, warning
from labkit.mesh.validation.gotext import quoted

Rule = Mapping[str, Any]
Match = Mapping[str, Any]

_ONLY_THE_LAST = "only the last rule can have no matches"
_ALL_USED = "all matches used by prior rules"
_AFTER_A_CATCH_ALL = "route without matches defined before"


class _Prefix(NamedTuple):
    """A match by prefix, with what else it asks, in Istio's simplification: exact texts and prefixes."""

    rule: str
    match: str
    prefix: str
    port: int
    texts: Mapping[str, str]
    """``method`` and ``authority``."""

    maps: Mapping[str, Mapping[str, str]]
    """``headers``, ``queryParams`` and ``withoutHeaders``."""


def of_http(rules: Sequence[Rule]) -> Iterator[Finding]:
    """A warning for each."""
    seen: list[tuple[Match, int]] = []
    prefixes: list[_Prefix] = []
    has_catch_all = False
    for number, rule in enumerate(rules):
        title = _title(rule, number)
        if not rule.get("match"):
            if has_catch_all:
                yield _unused(title, _ONLY_THE_LAST)
            has_catch_all = True
            continue
        if has_catch_all:
            yield _unused(title, _AFTER_A_CATCH_ALL)
            continue
        repeated = 0
        for at, match in enumerate(each(rule["match"])):
            condition = {key: value for key, value in match.items() if key != "name"}
            earlier = next((n for other, n in seen if other == condition), None)
            if earlier is not None:
                repeated += 1
                yield _ineffective(title, _name(match, at), _title(rules[earlier], earlier))
                continue
            seen.append((condition, number))
            if (match.get("uri") or {}).get("prefix"):
                prefixes.append(_prefix(title, _name(match, at), match))
        if repeated == len(rule["match"]):
            yield _unused(title, _ALL_USED)
    yield from _covered(prefixes)


def of_connections(rules: Sequence[Rule]) -> Iterator[Finding]:
    """The same for tcp and tls rules, which have no names and no prefixes."""
    seen: list[tuple[Match, int]] = []
    has_catch_all = False
    for number, rule in enumerate(rules):
        if not rule.get("match"):
            if has_catch_all:
                yield _unused(f"#{number}", _ONLY_THE_LAST)
            has_catch_all = True
            continue
        repeated = 0
        for at, match in enumerate(each(rule["match"])):
            earlier = next((n for other, n in seen if other == match), None)
            if earlier is None:
                seen.append((match, number))
            else:
                repeated += 1
                yield _ineffective(f"#{number}", f"#{at}", f"#{earlier}")
        if repeated == len(rule["match"]):
            yield _unused(f"#{number}", _ALL_USED)


def _prefix(title: str, name: str, match: Match) -> _Prefix:
    texts = {"method": _shown(match.get("method")) or "exact:GET", "authority": _shown(match.get("authority"))}
    maps = {
        field: {key: _shown(value) for key, value in (match.get(field) or {}).items()}
        for field in ("headers", "queryParams", "withoutHeaders")
    }
    return _Prefix(title, name, match["uri"]["prefix"], match.get("port") or 0, texts, maps)


def _shown(condition: Match | None) -> str:
    condition = condition or {}
    if condition.get("exact"):
        return f"exact:{condition['exact']}"
    return f"prefix:{condition['prefix']}" if condition.get("prefix") else ""


def _covered(prefixes: Sequence[_Prefix]) -> Iterator[Finding]:
    for at, earlier in enumerate(prefixes):
        for later in prefixes[at + 1 :]:
            if later.prefix != earlier.prefix and _covers(earlier, later):
                place = f"{earlier.match} of prefix {earlier.prefix} on {earlier.rule}"
                yield _ineffective(later.rule, f"{later.match} of prefix {later.prefix}", place)


def _covers(earlier: _Prefix, later: _Prefix) -> bool:
    """As Istio has it: what the earlier one asks must begin with what the later one asks."""
    return (
        later.prefix.startswith(earlier.prefix)
        and later.port == earlier.port
        and all(earlier.texts[key].startswith(later.texts[key]) for key in earlier.texts)
        and all(_alike(earlier.maps[key], later.maps[key]) for key in earlier.maps)
    )


def _alike(earlier: Mapping[str, str], later: Mapping[str, str]) -> bool:
    return earlier.keys() == later.keys() and all(earlier[key].startswith(later[key]) for key in earlier)


def _title(rule: Rule, number: int) -> str:
    return quoted(rule["name"]) if rule.get("name") else f"#{number}"


def _name(match: Match, at: int) -> str:
    return quoted(match["name"]) if match.get("name") else f"#{at}"


def _unused(title: str, why: str) -> Finding:
    return warning(f"virtualService rule {title} not used ({why})")


def _ineffective(rule: str, match: str, earlier: str) -> Finding:
    return warning(
        f"virtualService rule {rule} match {match} is not used (duplicate/overlapping match in rule {earlier})"
    )
