"""Faults that a VirtualService injects, and HTTP statuses that a proxy answers itself."""

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.mesh.validation.findings import Finding, error, errors, listed
from labkit.mesh.validation.gotext import number, quoted

GRPC_STATUSES = frozenset(
    {
        "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
        "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
        "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
    }
)  # fmt: skip
_GRPC_DOCS = "https://github.com/grpc/grpc/blob/master/doc/statuscodes.md"


def findings(fault: Mapping[str, Any] | None) -> Iterator[Finding]:
    """What Istio says of ``fault``."""
    if fault is None:
        return
    delay, abort = fault.get("delay"), fault.get("abort")
    if delay is None and abort is None:
        yield listed("HTTP fault injection must have an abort and/or a delay")
    if abort is not None:
        yield from _abort(abort)
    if delay is not None:
        yield from _share(delay)
        if delay.get("exponentialDelay") is not None:
            yield listed("exponentialDelay not supported yet")


def _abort(abort: Mapping[str, Any]) -> Iterator[Finding]:
    yield from _share(abort)
    if abort.get("httpStatus") is not None:
        yield from errors(http_status(abort["httpStatus"]))
    elif abort.get("grpcStatus") is not None:
        if abort["grpcStatus"] not in GRPC_STATUSES:
            advice = f"See {_GRPC_DOCS} for a list of supported codes, for example 'NOT_FOUND'"
            yield error(f"gRPC status {quoted(abort['grpcStatus'])} is not supported. {advice}")
    elif abort.get("http2Error") is not None:
        yield error("HTTP/2 abort fault injection not supported yet")


def http_status(code: int) -> str:
    """What is wrong with a status; Istio takes one more than its text says."""
    return "" if 200 <= code <= 600 else f"HTTP status {code} is not in range 200-599"


def _share(fault: Mapping[str, Any]) -> Iterator[Finding]:
    value = (fault.get("percentage") or {}).get("value") or 0
    if value < 0 or value > 100 or 0 < value < 0.0001:
        yield error(f"percentage {number(value)} is neither 0.0, nor in range [0.0001, 100.0]")
