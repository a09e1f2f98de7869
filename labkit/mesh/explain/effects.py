"""What a route does to a request beside sending it on: faults, rewrites, copies, and how long it waits."""

from collections.abc import Iterator

from labkit.mesh.model import Resource

FAULT = "envoy.filters.http.fault"
PARTS = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}


def of(route: Resource) -> Iterator[tuple[str, str]]:
    """A word and a sentence for each."""
    fault = (route.get("typed_per_filter_config") or {}).get(FAULT) or {}
    action = route.get("route") or {}
    yield from _faults(fault)
    yield from _rewrites(action)
    for mirror in action.get("request_mirror_policies") or ():
        share = _percent((mirror.get("runtime_fraction") or {}).get("default_value") or {"numerator": 100})
        yield "mirror", f"a copy of {share} goes to {mirror.get('cluster', '')}"
    if (timeout := action.get("timeout")) and timeout != "0s":
        yield "timeout", f"504 after {timeout}"


def _faults(fault: Resource) -> Iterator[tuple[str, str]]:
    if (delay := fault.get("delay")) is not None:
        yield "fault", f"{_percent(delay.get('percentage'))} wait {delay.get('fixed_delay', '0s')}"
    if (abort := fault.get("abort")) is not None:
        code = abort.get("http_status") or f"gRPC status {abort.get('grpc_status')}"
        yield "fault", f"{_percent(abort.get('percentage'))} are answered with {code}"


def _rewrites(action: Resource) -> Iterator[tuple[str, str]]:
    if prefix := action.get("prefix_rewrite"):
        yield "rewrite", f"the matched part of the path becomes {prefix}"
    if regex := action.get("regex_rewrite"):
        expression = (regex.get("pattern") or {}).get("regex", "")
        yield "rewrite", f"{expression} in the path becomes {regex.get('substitution', '')}"
    if host := action.get("host_rewrite_literal"):
        yield "rewrite", f"the host becomes {host}"


def _percent(fraction: Resource | None) -> str:
    """``10 %``; a fault without a percentage is never injected."""
    of = fraction or {}
    return f"{100 * of.get('numerator', 0) / PARTS[of.get('denominator', 'HUNDRED')]:g} %"
