"""What a rule does to requests on their way: headers, retries, faults, redirects, replies, CORS."""

from collections.abc import Mapping
from typing import Any

from labkit.mesh import durations, ir, names
from labkit.mesh.routes import matches

RETRY_ON = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
"""What Istio retries without being asked, twice."""

GRPC_STATUSES = """
OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED
FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED
"""
GRPC_STATUS = {name: number for number, name in enumerate(GRPC_STATUSES.split())}

Spec = Mapping[str, Any]


def route_name(rule: str, match: str) -> str:
    """``rule.match``; a match keeps its point where the rule has no name."""
    return f"{rule}.{match}" if match else rule


def headers(operations: Spec | None) -> ir.Headers:
    """Headers to set, add and remove; a Host that is set or added becomes the authority."""
    if not operations:
        return ir.NO_HEADERS
    request = operations.get("request") or {}
    given = [*(request.get("set") or {}).items(), *(request.get("add") or {}).items()]
    authority = next((str(v) for k, v in given if names.is_authority(k)), "")
    return ir.Headers(request=_change(request), response=_change(operations.get("response") or {}), authority=authority)


def _change(spec: Spec) -> ir.HeaderChange:
    return ir.HeaderChange(
        set=tuple(_without_authority(spec.get("set") or {})),
        add=tuple(_without_authority(spec.get("add") or {})),
        # Nobody takes these away: Envoy refuses a route that asks for it.
        remove=tuple(n for n in spec.get("remove") or () if n.lower() not in ("", "host") and not n.startswith(":")),
    )


def _without_authority(spec: Spec) -> list[tuple[str, str]]:
    return sorted((k, str(v)) for k, v in spec.items() if not names.is_authority(k))


def joined(one: ir.Headers, other: ir.Headers) -> ir.Headers:
    """Both, one after the other."""
    if other == ir.NO_HEADERS:
        return one

    def both(a: ir.HeaderChange, b: ir.HeaderChange) -> ir.HeaderChange:
        return ir.HeaderChange(set=a.set + b.set, add=a.add + b.add, remove=a.remove + b.remove)

    return ir.Headers(
        request=both(one.request, other.request),
        response=both(one.response, other.response),
        authority=other.authority or one.authority,
    )


DEFAULT_RETRIES = ir.Retries(on=RETRY_ON, attempts=2)
"""What Istio does without being asked."""


def retries(spec: Spec | None) -> ir.Retries | None:
    """What a rule or the mesh says, else Istio's default; None for ``attempts: 0``."""
    if spec is None:
        return DEFAULT_RETRIES
    if not spec.get("attempts") or spec["attempts"] < 0:
        return None
    on, codes = retry_words(spec.get("retryOn") or RETRY_ON)
    return ir.Retries(
        on=on,
        attempts=spec["attempts"],
        codes=codes,
        per_try=durations.seconds(spec["perTryTimeout"]) if spec.get("perTryTimeout") else None,
        back_off=durations.seconds(spec["backoff"]) if spec.get("backoff") else None,
        avoids_previous_hosts=spec.get("retryIgnorePreviousHosts") is not False,
        prefers_other_localities=bool(spec.get("retryRemoteLocalities")),
    )


def retry_words(text: str) -> tuple[str, tuple[int, ...]]:
    """``5xx,503`` → (``5xx,retriable-status-codes``, (503,)): codes go into a list of their own."""
    words = [w.strip() for w in text.split(",") if w.strip()]
    codes = tuple(int(w) for w in words if w.isdecimal() and 100 <= int(w) <= 599)
    kept = [w for w in words if not w.isdecimal()]
    if codes and "retriable-status-codes" not in kept:
        # Real Istio leaves an empty word before it when there is no other; Envoy ignores that.
        kept = [*(kept or [""]), "retriable-status-codes"]
    return ",".join(kept), codes


def fault(spec: Spec | None) -> ir.Fault | None:
    """Delay and abort."""
    if not spec or not (spec.get("delay") or spec.get("abort")):
        return None
    delay, abort = spec.get("delay") or {}, spec.get("abort") or {}
    return ir.Fault(
        delay=durations.seconds(delay["fixedDelay"]) if delay.get("fixedDelay") else None,
        delay_share=_share(delay) or ir.Share(percent=0, is_whole=True) if delay else None,
        status=abort.get("httpStatus"),
        grpc_status=_grpc_status(abort.get("grpcStatus")),
        abort_share=_share(abort),
    )


def _share(spec: Spec) -> ir.Share | None:
    if spec.get("percentage") is not None:
        return ir.Share(percent=float(spec["percentage"].get("value") or 0))
    return ir.Share(percent=max(0, spec["percent"]), is_whole=True) if spec.get("percent") else None


def _grpc_status(status: Any) -> int | None:
    if status is None:
        return None
    text = str(status)
    return int(text) if text.isdecimal() else GRPC_STATUS.get(text.upper(), GRPC_STATUS["UNKNOWN"])


def mirror_share(percentage: Spec | None, percent: int | None = None) -> float | None:
    """Percent of requests that are copied; None for all, 0 for none."""
    if percentage is not None:
        return float(percentage.get("value") or 0)
    return None if percent is None else float(percent)


def redirect(spec: Spec) -> ir.Redirect:
    """Where to, and with which code; the port that was called is not known here."""
    uri = spec.get("uri") or ""
    prefix = spec.get("prefixRewrite")
    return ir.Redirect(
        path=None if prefix is not None else uri,
        prefix=prefix,
        authority=spec.get("authority") or "",
        scheme=spec.get("scheme") or "",
        port=spec.get("port") or 0,
        code=spec.get("redirectCode") or 301,
    )


def reply(spec: Spec) -> ir.Reply:
    """What the proxy answers itself."""
    body = spec.get("body") or {}
    return ir.Reply(status=spec.get("status") or 200, text=body.get("string"), data=body.get("bytes"))


def cors(spec: Spec | None) -> ir.Cors | None:
    """Which pages of other origins may call."""
    if spec is None:
        return None
    old = [{"exact": origin} for origin in spec.get("allowOrigin") or ()]
    unmatched = spec.get("unmatchedPreflights")
    return ir.Cors(
        origins=tuple(matches.text(o) for o in spec.get("allowOrigins") or old),
        methods=",".join(spec.get("allowMethods") or ()),
        headers=",".join(spec.get("allowHeaders") or ()),
        exposed=",".join(spec.get("exposeHeaders") or ()),
        max_age=durations.seconds(spec["maxAge"]) if spec.get("maxAge") else None,
        credentials=spec.get("allowCredentials"),
        forwards_unmatched_preflights=unmatched != "IGNORE",
    )
