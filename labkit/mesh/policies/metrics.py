"""Which of Istio's metrics a proxy counts, and with which labels.

A Telemetry speaks of providers; metrics are kept where one of them is Prometheus. A later entry wins, field by field.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from labkit.mesh import ir
from labkit.mesh.policies import providers
from labkit.mesh.policies.providers import Spec

NAMES = {
    "GRPC_REQUEST_MESSAGES": "request_messages_total",
    "GRPC_RESPONSE_MESSAGES": "response_messages_total",
    "REQUEST_COUNT": "requests_total",
    "REQUEST_DURATION": "request_duration_milliseconds",
    "REQUEST_SIZE": "request_bytes",
    "RESPONSE_SIZE": "response_bytes",
    "TCP_CLOSED_CONNECTIONS": "tcp_connections_closed_total",
    "TCP_OPENED_CONNECTIONS": "tcp_connections_opened_total",
    "TCP_RECEIVED_BYTES": "tcp_received_bytes_total",
    "TCP_SENT_BYTES": "tcp_sent_bytes_total",
}
"""The Telemetry API's names → Istio's metrics without their prefix; a ``customMetric`` has its name already."""

ALL = "ALL_METRICS"
DEFAULT = ("prometheus",)
"""The profile's ``defaultProviders.metrics``."""


@dataclass
class _Override:
    is_disabled: bool = False
    tags: dict[str, Spec] = field(default_factory=dict)


def of(entries: Sequence[Spec], mesh: Spec, mode: str) -> ir.Metrics | None:
    """The metrics of one side; None where none are kept."""
    named = providers.by_name(mesh)
    default = providers.default(mesh, "metrics") if "metrics" in (mesh.get("defaultProviders") or {}) else [*DEFAULT]
    by_provider = _by_provider(entries, default, mode)
    for name in sorted(by_provider):
        if "prometheus" in (named.get(name.lower()) or {}):
            overrides = by_provider[name]
            if all(n in overrides and overrides[n].is_disabled for n in NAMES):
                return None
            return ir.Metrics(departures=tuple(_departures(overrides)), interval=_interval(entries))
    return None


def _by_provider(entries: Sequence[Spec], default: Sequence[str], mode: str) -> Mapping[str, Mapping[str, _Override]]:
    """Provider → metric → what is by_provider of it."""
    if not entries:
        return {name: {} for name in default}
    by_provider: dict[str, dict[str, _Override]] = {}
    before = list(default)
    for entry in entries:
        before = providers.names(entry) or before
        for name in before:
            overrides = by_provider.setdefault(name, {})
            for override in entry.get("overrides") or ():
                if providers.is_of(override, mode):
                    _apply(override, overrides)
    return by_provider


def _apply(override: Spec, overrides: dict[str, _Override]) -> None:
    match = override.get("match") or {}
    metric = match.get("customMetric") or match.get("metric") or ALL
    for name in NAMES if metric == ALL else (metric,):
        state = overrides.setdefault(name, _Override())
        if override.get("disabled") is not None:
            state.is_disabled = bool(override["disabled"])
        state.tags |= override.get("tagOverrides") or {}


def _departures(overrides: Mapping[str, _Override]) -> Iterator[ir.Metric]:
    for name, state in sorted(overrides.items()):
        tags = sorted(state.tags.items())
        removed = tuple(label for label, tag in tags if (tag or {}).get("operation") == "REMOVE")
        dimensions = tuple((label, str((tag or {}).get("value") or "")) for label, tag in tags if label not in removed)
        yield ir.Metric(
            name=NAMES.get(name, name), is_dropped=state.is_disabled, dimensions=dimensions, removed=removed
        )


def _interval(entries: Sequence[Spec]) -> str:
    intervals = [str(entry["reportingInterval"]) for entry in entries if entry.get("reportingInterval")]
    return intervals[-1] if intervals else ""
