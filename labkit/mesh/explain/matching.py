"""Which host and which route of a proxy a request fits, by Envoy's own rules."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from labkit.mesh.model import Resource


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as the proxy sees it."""

    host: str
    """With or without a port: ``reviews:9080``."""

    path: str = "/"
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    scheme: str = "http"
    claims: Mapping[str, Any] | None = None
    """Of its token, as far as the proxy believes it; None where nobody knows beforehand."""


def virtual_host(table: Resource, host: str) -> Resource | None:
    """Envoy's choice: the very name, then the longest ``*.suffix``, then the longest ``prefix.*``, then ``*``."""
    authority = host.lower()
    if table.get("ignore_port_in_host_matching"):
        authority = re.sub(r":\d+$", "", authority)
    best: tuple[int, int] | None = None
    chosen: Resource | None = None
    for candidate in table.get("virtual_hosts") or ():
        for domain in candidate.get("domains") or ():
            rank = _rank(domain.lower(), authority)
            if rank is not None and (best is None or rank > best):
                best, chosen = rank, candidate
    return chosen


def as_read(request: Request, manager: Resource) -> Request:
    """The request as an HTTP connection manager hands it to the routes: its path normalised, if it does that."""
    path, mark, query = request.path.partition("?")
    if manager.get("normalize_path"):
        path = _normalized(path)
    if manager.get("merge_slashes"):
        path = re.sub("/+", "/", path)
    return replace(request, path=path + mark + query)


def _normalized(path: str) -> str:
    """Without ``.`` and ``..``, and with letters, digits, ``-._~`` that need no escape unescaped (RFC 3986, 6.2.2)."""
    path = re.sub(r"%[0-9A-Fa-f]{2}", _unescaped, path)
    kept: list[str] = []
    first, *parts = path.split("/")
    for part in parts:
        if part == "..":
            kept = kept[:-1]
        elif part != ".":
            kept.append(part)
    if parts and parts[-1] in (".", ".."):
        kept.append("")
    return "/".join((first, *kept)) if parts else path


def _unescaped(escape: re.Match[str]) -> str:
    letter = chr(int(escape[0][1:], 16))
    return letter if re.fullmatch(r"[A-Za-z0-9._~-]", letter) else escape[0].upper()


def _rank(domain: str, host: str) -> tuple[int, int] | None:
    if domain == "*":
        return 0, 0
    if domain == host:
        return 3, len(domain)
    if domain.startswith("*") and host.endswith(domain[1:]) and len(host) > len(domain) - 1:
        return 2, len(domain)
    if domain.endswith("*") and host.startswith(domain[:-1]):
        return 1, len(domain)
    return None


def lacks(match: Resource, request: Request) -> str:
    """The first thing a match asks for that the request lacks; empty when it fits."""
    path, _, query = request.path.partition("?")
    if not _path_fits(match, path):
        return f"the path {path} is not {_path_words(match)}"
    headers = {
        ":method": request.method,
        ":path": request.path,
        ":authority": request.host,
        "host": request.host,  # Envoy's header map takes it for :authority
        ":scheme": request.scheme,
        **{k.lower(): v for k, v in request.headers.items()},
    }
    for condition in match.get("headers") or ():
        if not _fits(condition, headers.get(condition["name"].lower())):
            return f"header {condition['name']} {_condition_words(condition)}"
    # Envoy takes the first of several values of one name.
    parameters = dict(p.partition("=")[::2] for p in reversed(query.split("&")) if p)
    for condition in match.get("query_parameters") or ():
        if not _fits(condition, parameters.get(condition["name"])):
            return f"query parameter {condition['name']} {_condition_words(condition)}"
    if match.get("dynamic_metadata") and request.claims is None:
        return "a claim of the request's token decides, which is not known beforehand"
    for matcher in match.get("dynamic_metadata") or ():
        if not _claim_fits(matcher, request.claims or {}):
            return _claim_words(matcher, request.claims or {})
    return "only CONNECT comes this way" if "connect_matcher" in match and request.method != "CONNECT" else ""


def _claim_path(matcher: Resource) -> list[str]:
    return [step["key"] for step in matcher["path"][1:]]


def _claim_words(matcher: Resource, claims: Mapping[str, Any]) -> str:
    name, values = ".".join(_claim_path(matcher)), ", ".join(map(str, _claim_values(matcher, claims))) or "not there"
    if matcher.get("invert"):
        return f"the claim {name} of the request's token is {values}, and the rule is for requests without it"
    matchers = (matcher["value"].get("or_match") or {}).get("value_matchers") or [{"string_match": {"prefix": ""}}]
    kind, text = next(iter(matchers[-1]["string_match"].items()))
    asked = {"prefix": "begins with ", "suffix": "ends with ", "safe_regex": "fits "}.get(kind, "is ")
    asked += str(text.get("regex")) if isinstance(text, Mapping) else str(text) or "anything"
    return f"the claim {name} of the request's token is {values}, and the rule wants one that {asked}"


def _claim_values(matcher: Resource, claims: Mapping[str, Any]) -> list[Any]:
    value: Any = claims
    for key in _claim_path(matcher):
        value = value.get(key) if isinstance(value, Mapping) else None
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else [value] if value else []


def _claim_fits(matcher: Resource, claims: Mapping[str, Any]) -> bool:
    values, asked = _claim_values(matcher, claims), matcher["value"]
    if "present_match" in asked:
        return bool(values) != bool(matcher.get("invert"))
    text = asked["or_match"]["value_matchers"][-1]["string_match"]
    return any(_text_fits(text, str(v)) for v in values) != bool(matcher.get("invert"))


def _path_fits(match: Resource, path: str) -> bool:
    same = (lambda text: text) if match.get("case_sensitive", True) else str.lower
    if "path" in match:
        return bool(same(path) == same(match["path"]))
    if "path_separated_prefix" in match:
        prefix = match["path_separated_prefix"]
        return bool(same(path) == same(prefix) or same(path).startswith(same(prefix) + "/"))
    if "safe_regex" in match:
        return _regex_fits(str(match["safe_regex"]["regex"]), path)
    return bool(same(path).startswith(same(match.get("prefix", "/"))))


def _path_words(match: Resource) -> str:
    if "path" in match:
        return str(match["path"])
    if "safe_regex" in match:
        return f"like {match['safe_regex']['regex']}"
    return f"below {match.get('path_separated_prefix', match.get('prefix', '/'))}"


def _regex_fits(expression: str, text: str) -> bool:
    # Envoy's RE2 has no look-around and no back references; what it takes, Python takes too, save for a few classes.
    try:
        return re.fullmatch(expression, text) is not None
    except re.error:
        return False


def _fits(condition: Resource, value: str | None) -> bool:
    inverted = bool(condition.get("invert_match"))
    if "present_match" in condition:
        return ((value is not None) == bool(condition["present_match"])) != inverted
    if value is None and condition.get("treat_missing_header_as_empty"):
        value = ""
    if value is None:
        return False
    return _text_fits(condition.get("string_match") or {}, value) != inverted


def _text_fits(matcher: Resource, value: str) -> bool:
    if "exact" in matcher:
        return bool(value == matcher["exact"])
    if "prefix" in matcher:
        return value.startswith(str(matcher["prefix"]))
    if "suffix" in matcher:
        return value.endswith(str(matcher["suffix"]))
    return _regex_fits(str((matcher.get("safe_regex") or {}).get("regex", "")), value)


def _condition_words(condition: Resource) -> str:
    negated = bool(condition.get("invert_match"))
    if "present_match" in condition:
        return "must not be there" if negated else "is missing"
    kind, value = next(iter((condition.get("string_match") or {"exact": ""}).items()))
    words = {"exact": "", "prefix": "something that begins with ", "suffix": "something that ends with "}
    words_of_value = f"{words.get(kind, 'like ')}{value['regex'] if isinstance(value, Mapping) else value}"
    return f"must not be {words_of_value}" if negated else f"is not {words_of_value}"
