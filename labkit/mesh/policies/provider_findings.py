"""Providers that a Telemetry names and that no proxy will speak to: said by name, never passed over in silence."""

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.mesh.policies import providers
from labkit.mesh.policies.providers import Spec

CARRIED_OUT = {
    "accessLogging": ("envoyFileAccessLog", "envoyOtelAls", "envoyHttpAls", "envoyTcpAls"),
    "tracing": ("zipkin", "opentelemetry", "datadog", "skywalking"),
    "metrics": ("prometheus",),
}
"""Signal → the types of providers that take it here."""

OTHERS = {
    "accessLogging": ("stackdriver",),
    "tracing": ("stackdriver", "lightstep", "opencensus"),
    "metrics": ("stackdriver",),
}
"""Those that take it in Istio."""

TRACERS = ("lightstep", "datadog", "stackdriver", "openCensusAgent")
"""Types that a proxy's own settings may name in Istio, beside Zipkin."""


def findings(obj: Object, mesh: Spec) -> list[str]:
    """A sentence for each provider of a Telemetry that gets nothing: ``spec.tracing[0].providers[0] …``."""
    if obj.get("kind") != "Telemetry":
        return []
    spec = obj.get("spec") or {}
    return [text for signal in CARRIED_OUT for text in _of_signal(spec, signal, providers.by_name(mesh))]


def _of_signal(spec: Spec, signal: str, named: Mapping[str, Spec]) -> Iterator[str]:
    for n, entry in enumerate(spec.get(signal) or ()):
        for m, name in enumerate(providers.names(entry or {})):
            if why := _why(signal, name, named):
                yield f"spec.{signal}[{n}].providers[{m}] has no effect: {why}"


def _why(signal: str, name: str, named: Mapping[str, Spec]) -> str:
    provider = named.get(name.lower())
    if provider is None:
        return f"MeshConfig has no extension provider {name!r} (it has {', '.join(sorted(named))})"
    return type_finding(provider, (signal,))


def type_finding(provider: Mapping[str, Any], signals: tuple[str, ...]) -> str:
    """Why a provider takes none of these signals; empty where it takes one."""
    kind = next((key for key in provider if key != "name"), "nothing")
    if any(kind in CARRIED_OUT[signal] for signal in signals):
        return ""
    if any(kind in OTHERS[signal] for signal in signals):
        return f"provider {provider.get('name')!r} is of type {kind}, which this sandbox's proxies do not send to"
    return f"provider {provider.get('name')!r} is of type {kind}, which takes no {' or '.join(signals)}"


def of_mesh(mesh: Spec) -> list[str]:
    """A sentence for each extension provider and tracer of MeshConfig that no proxy speaks to."""
    own = (mesh.get("defaultConfig") or {}).get("tracing") or {}
    tracers = [
        f"defaultConfig.tracing.{kind} has no effect: spans go to extensionProviders and to Zipkin alone"
        for kind in TRACERS
        if kind in own
    ]
    return tracers + [
        f"extensionProviders[{n}] has no effect: {why}"
        for n, provider in enumerate(mesh.get("extensionProviders") or ())
        if any(key in OTHERS["tracing"] for key in provider) and (why := type_finding(provider, tuple(CARRIED_OUT)))
    ]
