"""The http rules of a VirtualService."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from labkit.mesh.names import is_authority
from labkit.mesh.validation import destinations, durations, faults, headers, names, regexes
from labkit.mesh.validation.findings import Finding, each, error, errors, listed, warning
from labkit.mesh.validation.gotext import quoted

Rule = Mapping[str, Any]

RETRY_CONDITIONS = frozenset(
    {
        "5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "retriable-4xx", "refused-stream",
        "retriable-status-codes", "retriable-headers", "envoy-ratelimited", "http3-post-connect-failure", "cancelled",
        "deadline-exceeded", "internal", "resource-exhausted", "unavailable",
    }
)  # fmt: skip
STATUSES = frozenset(status.value for status in HTTPStatus)
METHODS = frozenset({"GET", "POST", "HEAD", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "*"})
LARGEST_BODY, LARGE_BODY = 1024 * 1024, 100 * 1024
"""Bytes that a proxy may answer by itself, and from how many on Istio warns."""


def findings(rule: Rule, *, is_delegate: bool) -> Iterator[Finding]:
    """What Istio says of one rule; ``is_delegate``: its VirtualService has no hosts of its own."""
    yield from _action(rule, is_delegate=is_delegate)
    for match in each(rule.get("match")):
        yield from _texts(match)
    for match in each(rule.get("match")):
        yield from _sources(match)
    yield from headers.changes(rule.get("headers"))
    yield from _cors(rule.get("corsPolicy"))
    yield from faults.findings(rule.get("fault"))
    yield from _mirrors(rule)
    yield from _redirect(rule.get("redirect"))
    yield from _direct_response(rule.get("directResponse"))
    yield from _retries(rule.get("retries"))
    yield from _rewrite(rule.get("rewrite"))
    yield from _authority(rule)
    yield from destinations.weighted(each(rule.get("route")))


def _action(rule: Rule, *, is_delegate: bool) -> Iterator[Finding]:
    route, redirect, direct = rule.get("route"), rule.get("redirect"), rule.get("directResponse")
    if rule.get("delegate") is not None and not is_delegate:
        name = rule.get("name", "")
        if redirect is not None:
            yield error(f"root HTTP route {name} must not specify redirect")
        if route:
            yield error(f"root HTTP route {name} must not specify route")
        return
    if rule.get("delegate") is not None:
        yield error("delegate HTTP route cannot contain delegate")
    if redirect is not None:
        yield from _only_one(rule, "redirect")
        if direct is not None:
            yield error("HTTP route rule cannot contain both direct_response and redirect")
    elif direct is not None:
        yield from _only_one(rule, "direct_response")
    elif not route:
        yield error("HTTP route, redirect or direct_response is required")
    if rule.get("mirror") is not None and rule.get("mirrors"):
        yield error("HTTP route cannot contain both mirror and mirrors")


def _only_one(rule: Rule, answer: str) -> Iterator[Finding]:
    """A rule that answers by itself forwards nothing."""
    if rule.get("route"):
        yield error(f"HTTP route cannot contain both route and {answer}")
    if rule.get("fault") is not None:
        yield error(f"HTTP route cannot contain both fault and {answer}")
    if rule.get("rewrite") is not None:
        yield error(f"HTTP route rule cannot contain both rewrite and {answer}")


def _texts(match: Rule) -> Iterator[Finding]:
    for name, condition in sorted((match.get("headers") or {}).items()):
        yield from errors(headers.matched(name), _text(condition, "headers"))
    for name, condition in sorted((match.get("withoutHeaders") or {}).items()):
        yield from errors(headers.matched(name))
        # `*` is no expression but means that the header is present.
        if (condition or {}).get("regex") != "*":
            yield from errors(_text(condition, "withoutHeaders"))
    # The path alone may have an empty prefix.
    yield from errors(_regex(match.get("uri"), "uri"))
    for field in ("scheme", "method", "authority"):
        yield from errors(_text(match.get(field), field))
    for condition in (match.get("queryParams") or {}).values():
        yield from errors(_text(condition, "queryParams"))


def _text(condition: Rule | None, where: str) -> str:
    if (condition or {}).get("prefix") == "":
        return f"{quoted(where)}: prefix string match should not be empty"
    return _regex(condition, where)


def _regex(condition: Rule | None, where: str) -> str:
    pattern = (condition or {}).get("regex")
    return "" if pattern is None else regexes.problem(pattern, where)


def _sources(match: Rule) -> Iterator[Finding]:
    if match.get("port"):
        yield from errors(names.port(match["port"]))
    yield from names.labels(match.get("sourceLabels"))
    yield from names.gateways(match.get("gateways"))
    namespace = match.get("sourceNamespace")
    if namespace and not names.is_label(namespace):
        yield error(f"sourceNamespace match {namespace} is invalid")


def _cors(policy: Rule | None) -> Iterator[Finding]:
    if policy is None:
        return
    for origin in each(policy.get("allowOrigins")):
        if not any(origin.get(kind) for kind in ("exact", "prefix", "regex")):
            yield error("'' is not a valid match type for CORS allow origins")
        else:
            yield from errors(_regex(origin, "corsPolicy.allowOrigins"))
    for method in policy.get("allowMethods") or []:
        if method not in METHODS:
            yield error(f"{quoted(method)} is not a supported HTTP method")
    for field in ("allowHeaders", "exposeHeaders"):
        yield from errors(*(headers.plain(name) for name in policy.get(field) or [] if name != "*"))
    age = durations.seconds(policy["maxAge"]) if policy.get("maxAge") else None
    if age is not None and age.denominator != 1:
        yield listed("max_age duration is accurate only to seconds precision")


def _mirrors(rule: Rule) -> Iterator[Finding]:
    for percent in (rule.get("mirrorPercent"), rule.get("mirror_percent")):
        if percent is not None:
            if percent > 100:
                yield error(f"mirror_percent must have a max value of 100 (it has {percent})")
            yield warning('using deprecated setting "mirrorPercent", use "mirrorPercentage" instead')
    yield from _share("mirror_percentage", rule.get("mirrorPercentage"))
    yield from destinations.destination(rule.get("mirror"))
    for mirror in each(rule.get("mirrors")):
        if mirror.get("destination") is None:
            yield error("destination is required for mirrors")
            continue
        yield from destinations.destination(mirror["destination"])
        yield from _share("mirror percentage", mirror.get("percentage"))


def _share(name: str, share: Rule | None) -> Iterator[Finding]:
    value = float((share or {}).get("value") or 0)
    if value > 100:
        yield error(f"{name} must have a max value of 100 (it has {value:f})")
    if value < 0:
        yield error(f"{name} must have a min value of 0 (it has {value:f})")


def _redirect(redirect: Rule | None) -> Iterator[Finding]:
    """Istio tells the first problem of a redirect."""
    if redirect is None:
        return
    code, port = redirect.get("redirectCode") or 0, redirect.get("port")
    targets = redirect.get("uri") or redirect.get("authority") or redirect.get("scheme")
    if not targets and port is None and redirect.get("derivePort") is None:
        yield error("redirect must specify URI, authority, scheme, or port")
    elif code and not 300 <= code <= 399:
        yield error(f"{code} is not a valid redirect code, must be 3xx")
    elif redirect.get("scheme") not in (None, "", "http", "https"):
        yield error('invalid redirect scheme, must be "http" or "https"')
    elif port:
        yield from errors(names.port(port))


def _direct_response(answer: Rule | None) -> Iterator[Finding]:
    if answer is None:
        return
    body = answer.get("body") or {}
    size = len((body.get("string") or "").encode()) or len(body.get("bytes") or "") * 3 // 4
    text = "large direct_responses may impact control plane performance"
    if size > LARGEST_BODY:
        yield error(f"{text}, must be less than 1MB")
    elif size > LARGE_BODY:
        yield warning(text)
    yield from errors(faults.http_status(answer.get("status") or 0))


def _retries(policy: Rule | None) -> Iterator[Finding]:
    if policy is None:
        return
    attempts = policy.get("attempts") or 0
    if attempts < 0:
        yield listed("attempts cannot be negative")
    is_set = policy.get("retryOn") or any(policy.get(k) is not None for k in ("perTryTimeout", "retryRemoteLocalities"))
    if attempts == 0 and is_set:
        yield error("http retry policy configured when attempts are set to 0 (disabled)")
    for word in (policy.get("retryOn") or "").split(",") if policy.get("retryOn") else ():
        is_status = names.is_number(word) and int(word) in STATUSES
        if not is_status and word not in RETRY_CONDITIONS:
            yield error(f"{quoted(word)} is not a valid retryOn policy")


def _rewrite(rewrite: Rule | None) -> Iterator[Finding]:
    """Istio tells the first problem of a rewrite."""
    if rewrite is None:
        return
    pattern = rewrite.get("uriRegexRewrite")
    if rewrite.get("uri") and pattern is not None:
        yield error("rewrite may only contain one of URI or UriRegexRewrite")
    elif not rewrite.get("uri") and pattern is None and not rewrite.get("authority"):
        yield error(
            "rewrite must specify at least one of URI, UriRegexRewrite, or authority. "
            "Only one of URI or UriRegexRewrite may be specified"
        )
    elif pattern is not None and (problem := _pattern(pattern)):
        yield error(f"UriRegexRewrite has errors\n{problem}")


def _pattern(pattern: Rule) -> str:
    if not pattern.get("match") or not pattern.get("rewrite"):
        return "UriRegexRewrite requires both Rewrite and Match fields to be specified"
    return regexes.problem(pattern["match"], "HTTPRewrite.UriRegexRewrite.Match")


def _authority(rule: Rule) -> Iterator[Finding]:
    """The authority is rewritten in one place only."""
    request = (rule.get("headers") or {}).get("request") or {}
    current = (rule.get("rewrite") or {}).get("authority") or ""
    for operation in ("set", "add"):
        for name, value in sorted((request.get(operation) or {}).items()):
            if not is_authority(name):
                continue
            if current:
                yield error(
                    f"authority header cannot be set multiple times: have {quoted(current)}, "
                    f"attempting to set {quoted(value)}"
                )
                return
            current = value
