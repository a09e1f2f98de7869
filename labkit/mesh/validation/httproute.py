"""The http rules of a VirtualService."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labkit.mesh.names import is_authority
from labkit.mesh.validation import durations, names, regexes
from labkit.mesh.validation.findings import Finding, each, error, errors, listed, warning

Rule = Mapping[str, Any]

RETRY_CONDITIONS = frozenset(
    {
        "5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "retriable-4xx", "refused-stream",
        "retriable-status-codes", "retriable-headers", "envoy-ratelimited", "http3-post-connect-failure", "cancelled",
        "deadline-exceeded", "internal", "resource-exhausted", "unavailable",
    }
)  # fmt: skip
METHODS = frozenset({"GET", "POST", "HEAD", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "*"})
GRPC_STATUSES = frozenset(
    {
        "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
        "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
        "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
    }
)  # fmt: skip
_GRPC_DOCS = "https://github.com/grpc/grpc/blob/master/doc/statuscodes.md"
LARGEST_BODY, LARGE_BODY = 1024 * 1024, 100 * 1024
"""Bytes that a proxy may answer by itself, and from how many on Istio warns."""

CLAIM = "@request.auth.claims"
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_COMMAND = re.compile(r"%%|%[A-Z][A-Z0-9_]*(\([^%]*\))?(:\d+)?%")


def findings(rule: Rule, gateways: Sequence[str], *, is_delegate: bool) -> Iterator[Finding]:
    """What Istio says of one rule."""
    yield from _action(rule)
    yield from _headers(rule.get("headers") or {})
    yield from _authority(rule)
    yield from _cors(rule.get("corsPolicy") or {})
    yield from _fault(rule.get("fault") or {})
    for match in each(rule.get("match")):
        yield from _match(match, gateways)
    yield from _redirect(rule.get("redirect"))
    yield from _direct_response(rule.get("directResponse"))
    yield from _retries(rule.get("retries") or {})
    yield from _rewrite(rule.get("rewrite"))
    yield from destinations(each(rule.get("route")))
    yield from _mirrors(rule)


def _action(rule: Rule) -> Iterator[Finding]:
    route, redirect, direct = rule.get("route"), rule.get("redirect"), rule.get("directResponse")
    if rule.get("delegate") is not None:
        name = rule.get("name", "")
        if route:
            yield error(f"root HTTP route {name} must not specify route")
        if redirect is not None:
            yield error(f"root HTTP route {name} must not specify redirect")
        return
    if direct is not None and redirect is not None:
        yield error("HTTP route rule cannot contain both direct_response and redirect")
    if redirect is not None and route:
        yield error("HTTP route cannot contain both route and redirect")
    if redirect is not None and rule.get("fault") is not None:
        yield error("HTTP route cannot contain both fault and redirect")
    if redirect is not None and rule.get("rewrite") is not None:
        yield error("HTTP route rule cannot contain both rewrite and redirect")
    if direct is not None and route:
        yield error("HTTP route cannot contain both route and direct_response")
    if not route and redirect is None and direct is None:
        yield error("HTTP route, redirect or direct_response is required")


def destinations(targets: Sequence[Rule]) -> Iterator[Finding]:
    """Where a rule leads, and with what weights."""
    total = 0
    for target in targets:
        yield from _destination(target.get("destination") or {})
        yield from _headers(target.get("headers") or {})
        weight = target.get("weight") or 0
        if weight < 0:
            yield error(f"weight {weight} < 0")
        total += weight
    if len(targets) > 1 and total == 0:
        yield error("total destination weight = 0")


def _destination(said: Rule) -> Iterator[Finding]:
    host = said.get("host", "")
    if host == "*":
        yield error(f"invalid destination host {host}")
    elif problem := names.wildcard_domain(host):
        yield error(problem)
    if said.get("subset"):
        yield from errors(filter(None, [names.subset(said["subset"])]))
    if said.get("port") is not None:
        yield from errors(filter(None, [names.port(said["port"].get("number"))]))


def _mirrors(rule: Rule) -> Iterator[Finding]:
    if rule.get("mirror") is not None:
        yield from _destination(rule["mirror"])
    if rule.get("mirror") is not None and rule.get("mirrors"):
        yield error("HTTP route cannot contain both mirror and mirrors")
    for percent in (rule.get("mirrorPercent"), rule.get("mirror_percent")):
        if percent is not None:
            if percent > 100:
                yield error(f"mirror_percent must have a max value of 100 (it has {percent})")
            yield warning('using deprecated setting "mirrorPercent", use "mirrorPercentage" instead')
    shares = [("mirror_percentage", rule.get("mirrorPercentage"))]
    for mirror in each(rule.get("mirrors")):
        yield from _destination(mirror.get("destination") or {})
        shares.append(("percentage", mirror.get("percentage")))
    for name, share in shares:
        value = float((share or {}).get("value") or 0)
        if value > 100:
            yield error(f"{name} must have a max value of 100 (it has {value:f})")
        if value < 0:
            yield error(f"{name} must have a min value of 0 (it has {value:f})")


def _match(match: Rule, gateways: Sequence[str]) -> Iterator[Finding]:
    for field in ("headers", "withoutHeaders"):
        for name, value in sorted((match.get(field) or {}).items()):
            if name.startswith(CLAIM):
                if not gateways or "mesh" in gateways:
                    title = f"JWT claim based routing (key: {name})"
                    yield error(f"{title} is only supported for gateway, found no gateways: [{' '.join(gateways)}]")
            elif problem := names.header(name):
                yield error(problem)
            yield from _text(value, field)
    for field in ("uri", "scheme", "method", "authority"):
        yield from _text(match.get(field), field)
    for value in (match.get("queryParams") or {}).values():
        yield from _text(value, "queryParams")
    if match.get("port"):
        yield from errors(filter(None, [names.port(match["port"])]))
    yield from map(listed, names.labels(match.get("sourceLabels")))


def _text(value: Rule | None, where: str) -> Iterator[Finding]:
    problem = regexes.problem((value or {}).get("regex") or "", where)
    if problem:
        yield error(problem)


def _headers(said: Rule) -> Iterator[Finding]:
    for side in ("request", "response"):
        changes = said.get(side) or {}
        for operation in ("add", "set"):
            for name, value in (changes.get(operation) or {}).items():
                yield from errors(filter(None, [names.changed_header(name, may_be_host=side == "request")]))
                if _CONTROL.search(value):
                    yield error(f"header value configuration {value} is invalid")
                elif "%" in _COMMAND.sub("", value):
                    yield error("header value configuration: invalid header configuration. Un-escaped %")
        for name in changes.get("remove") or []:
            yield from errors(filter(None, [names.changed_header(name, may_be_host=False)]))


def _authority(rule: Rule) -> Iterator[Finding]:
    """The authority is rewritten in one place only."""
    request = (rule.get("headers") or {}).get("request") or {}
    current = (rule.get("rewrite") or {}).get("authority") or ""
    for operation in ("set", "add"):
        for name, value in (request.get(operation) or {}).items():
            if not is_authority(name):
                continue
            if current:
                yield error(
                    f'authority header cannot be set multiple times: have "{current}", attempting to set "{value}"'
                )
                return
            current = value


def _cors(said: Rule) -> Iterator[Finding]:
    for origin in each(said.get("allowOrigins")):
        yield from _text(origin, "corsPolicy.allowOrigins")
    for method in said.get("allowMethods") or []:
        if method not in METHODS:
            yield error(f'"{method}" is not a supported HTTP method')
    age = durations.seconds(said["maxAge"]) if said.get("maxAge") else None
    if age is not None and age.denominator != 1:
        yield listed("max_age duration is accurate only to seconds precision")


def _fault(said: Rule) -> Iterator[Finding]:
    delay, abort = said.get("delay"), said.get("abort")
    if not said:
        return
    if delay is None and abort is None:
        yield error("HTTP fault injection must have an abort and/or a delay")
    if delay is not None:
        yield from _share(delay)
        if delay.get("exponentialDelay"):
            yield listed("exponentialDelay not supported yet")
    if abort is None:
        return
    yield from _share(abort)
    code, grpc = abort.get("httpStatus"), abort.get("grpcStatus")
    if code is not None and not 200 <= code <= 599:
        yield error(f"HTTP status {code} is not in range 200-599")
    if grpc is not None and grpc not in GRPC_STATUSES:
        advice = f"See {_GRPC_DOCS} for a list of supported codes, for example 'NOT_FOUND'"
        yield error(f'gRPC status "{grpc}" is not supported. {advice}')
    if "http2Error" in abort:
        yield error("HTTP/2 abort fault injection not supported yet")


def _share(fault: Rule) -> Iterator[Finding]:
    value = (fault.get("percentage") or {}).get("value") or 0
    if value < 0 or value > 100 or 0 < value < 0.0001:
        yield error(f"percentage {value:g} is neither 0.0, nor in range [0.0001, 100.0]")


def _redirect(said: Rule | None) -> Iterator[Finding]:
    if said is None:
        return
    if not any(said.get(k) for k in ("uri", "authority", "scheme", "port", "derivePort")):
        yield error("redirect must specify URI, authority, scheme, or port")
    code = said.get("redirectCode")
    if code is not None and not 300 <= code <= 399:
        yield error(f"{code} is not a valid redirect code, must be 3xx")
    if said.get("scheme") not in (None, "", "http", "https"):
        yield error('invalid redirect scheme, must be "http" or "https"')
    if said.get("port"):
        yield from errors(filter(None, [names.port(said["port"])]))


def _direct_response(said: Rule | None) -> Iterator[Finding]:
    if said is None:
        return
    body = said.get("body") or {}
    size = len((body.get("string") or "").encode()) or len(body.get("bytes") or "") * 3 // 4
    text = "large direct_responses may impact control plane performance"
    if size > LARGEST_BODY:
        yield error(f"{text}, must be less than 1MB")
    elif size > LARGE_BODY:
        yield warning(text)
    # One more than the text says: Istio takes it.
    if not 200 <= (said.get("status") or 0) <= 600:
        yield error(f"HTTP status {said.get('status') or 0} is not in range 200-599")


def _retries(said: Rule) -> Iterator[Finding]:
    attempts = said.get("attempts") or 0
    if attempts < 0:
        yield listed("attempts cannot be negative")
    if said and attempts == 0 and any(said.get(k) for k in ("perTryTimeout", "retryOn", "retryRemoteLocalities")):
        yield error("http retry policy configured when attempts are set to 0 (disabled)")
    for word in filter(None, (w.strip() for w in (said.get("retryOn") or "").split(","))):
        is_status = word.isdigit() and 100 <= int(word) <= 599
        if not is_status and word not in RETRY_CONDITIONS:
            yield error(f'"{word}" is not a valid retryOn policy')


def _rewrite(said: Rule | None) -> Iterator[Finding]:
    if said is None:
        return
    pattern = said.get("uriRegexRewrite")
    if (said.get("uri") and pattern) or not (said.get("uri") or pattern or said.get("authority")):
        yield error(
            "rewrite must specify at least one of URI, UriRegexRewrite, or authority. "
            "Only one of URI or UriRegexRewrite may be specified"
        )
    if pattern:
        problem = regexes.problem(pattern.get("match") or "", "HTTPRewrite.UriRegexRewrite.Match")
        if problem or not pattern.get("match") or not pattern.get("rewrite"):
            yield error(f"UriRegexRewrite has errors\n{problem}")
