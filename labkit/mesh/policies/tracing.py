"""Which spans a proxy sends, and to whom.

Every entry of every level changes what the ones before it said, field by field; without a provider nothing is sent.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from labkit.mesh import durations, ir, names
from labkit.mesh.model import Proxy
from labkit.mesh.policies import providers
from labkit.mesh.policies.providers import Spec

SAMPLING = 1.0
"""Per cent of the requests where nobody says more: istiod's PILOT_TRACE_SAMPLING."""

MOST = 100.0
FIELDS = (
    "customTags", "disableSpanReporting", "randomSamplingPercentage", "useRequestIdForTraceSampling", "enableIstioTags",
)  # fmt: skip

CONTEXTS = ("USE_B3", "USE_B3_WITH_W3C_PROPAGATION")
"""Zipkin's ``traceContextOption``; Envoy has the same words."""


def of(entries: Sequence[Spec], mesh: Spec, clusters: Collection[str], mode: str, proxy: Proxy) -> ir.Tracing | None:
    """The spans of one side; None where none are sent."""
    settings = (mesh.get("defaultConfig") or {}).get("tracing") or {}
    default = providers.default(mesh, "tracing")
    merged = _merged(entries, default, mode)
    named = providers.by_name(mesh).get(str(merged.get("provider", "")).lower())
    provider = named if entries or default else _of_proxies(mesh, settings, clusters, proxy)
    if provider is None or merged.get("disableSpanReporting"):
        return None
    collector = _collector(provider, clusters, proxy)
    if collector is None:
        return None
    own_tags = _own_tags(proxy) if merged.get("enableIstioTags", True) else ()
    custom = merged.get("customTags") or settings.get("customTags") or {}
    return ir.Tracing(
        collector=collector,
        percent=_percent(merged, settings),
        tags=tuple(sorted((*own_tags, *_tags(custom)), key=lambda tag: tag.name)),
        max_path_length=_max_length(provider) or int(settings.get("maxPathTagLength") or 0),
        samples_by_request_id=bool(merged.get("useRequestIdForTraceSampling", True)),
    )


def _of_proxies(mesh: Spec, settings: Spec, clusters: Collection[str], proxy: Proxy) -> Spec | None:
    """The older way, by ``enableTracing`` and the Zipkin of every proxy's own settings, where nothing newer speaks."""
    address = (settings.get("zipkin") or {}).get("address")
    if not address or mesh.get("enableTracing") is False:
        return None
    host, _, port = str(address).rpartition(":")
    suffixes = ("", ".svc.cluster.local", f".{proxy.namespace}.svc.cluster.local")
    full = next((f"{host}{s}" for s in suffixes if f"outbound|{port}||{host}{s}" in clusters), host)
    return {"name": "zipkin", "zipkin": {"service": full, "port": port}}


def _merged(entries: Sequence[Spec], default: Sequence[str], mode: str) -> dict[str, Any]:
    """The fields in force; of several providers the first counts, as in Istio."""
    merged: dict[str, Any] = {"provider": default[0]} if default else {}
    for entry in entries:
        if providers.is_of(entry, mode):
            merged |= {field: entry[field] for field in FIELDS if entry.get(field) is not None}
            if names_of_entry := providers.names(entry):
                merged["provider"] = names_of_entry[0]
    return merged


def _percent(merged: Mapping[str, Any], settings: Spec) -> float:
    chosen = merged.get("randomSamplingPercentage")
    if chosen is None:
        chosen = settings.get("sampling") or SAMPLING
        # Istio's own rule for a ProxyConfig that asks for more than all.
        return SAMPLING if float(chosen) > MOST else float(chosen)
    return float(chosen)


def _collector(provider: Spec, clusters: Collection[str], proxy: Proxy) -> ir.Collector | None:
    readers = {"zipkin": _zipkin, "opentelemetry": _opentelemetry, "datadog": _datadog, "skywalking": _skywalking}
    for kind, read in readers.items():
        settings = provider.get(kind)
        if settings is not None:
            cluster, host = providers.cluster(settings, clusters)
            return ir.Collector(kind=kind, cluster=cluster, host=host, **read(settings, proxy)) if cluster else None
    return None


def _zipkin(settings: Spec, proxy: Proxy) -> dict[str, Any]:
    option = settings.get("traceContextOption")
    return {
        "path": settings.get("path") or "/api/v2/spans",
        "timeout": durations.seconds(settings["timeout"]) if settings.get("timeout") else 5.0,
        "headers": _headers(settings.get("headers")),
        "has_long_ids": not settings.get("enable64bitTraceId"),
        "context": option if option in CONTEXTS[1:] else "",
    }


def _opentelemetry(settings: Spec, proxy: Proxy) -> dict[str, Any]:
    http, grpc = settings.get("http"), settings.get("grpc") or {}
    sender = http or grpc
    detectors = settings.get("resourceDetectors") or {}
    return {
        "service": _service(proxy),
        "path": str(http.get("path") or "/") if http is not None else "",
        "timeout": durations.seconds(sender["timeout"]) if sender.get("timeout") else None,
        "headers": _headers(sender.get("headers") or sender.get("initialMetadata")),
        "detectors": tuple(name for name in ("environment",) if name in detectors),
    }


def _datadog(settings: Spec, proxy: Proxy) -> dict[str, Any]:
    return {"service": _service(proxy)}


def _skywalking(settings: Spec, proxy: Proxy) -> dict[str, Any]:
    return {"service": _service(proxy), "token": str(settings.get("accessToken") or "")}


def _service(proxy: Proxy) -> str:
    """The name under which a collector files the spans: ``reviews.default``."""
    return f"{names.canonical(proxy.labels, proxy.workload)}.{proxy.namespace}"


def _headers(headers: Sequence[Spec] | None) -> tuple[tuple[str, str], ...]:
    """Those that say their value; one from an environment variable of istiod is the administrator's alone."""
    return tuple((str(h["name"]), str(h.get("value", ""))) for h in headers or () if "envName" not in h)


def _max_length(provider: Spec) -> int:
    settings: Spec = next((provider[kind] for kind in ("zipkin", "opentelemetry", "datadog") if provider.get(kind)), {})
    return int(settings.get("maxTagLength") or 0)


def _own_tags(proxy: Proxy) -> tuple[ir.SpanTag, ...]:
    own = {
        "istio.canonical_revision": names.revision(proxy.labels),
        "istio.canonical_service": names.canonical(proxy.labels, proxy.workload),
        "istio.cluster_id": names.CLUSTER,
        "istio.mesh_id": names.MESH_ID,
        "istio.namespace": proxy.namespace,
    }
    return tuple(ir.SpanTag(name=name, kind=ir.LITERAL, value=value) for name, value in own.items())


def _tags(custom: Spec) -> Iterator[ir.SpanTag]:
    for name, tag in custom.items():
        for key, kind, value in (
            ("literal", ir.LITERAL, "value"),
            ("header", ir.HEADER, "name"),
            ("environment", ir.ENVIRONMENT, "name"),
            ("formatter", ir.FORMAT, "value"),
        ):
            if (source := (tag or {}).get(key)) is not None:
                default = str(source.get("defaultValue") or "")
                yield ir.SpanTag(name=name, kind=kind, value=str(source.get(value) or ""), default=default)
