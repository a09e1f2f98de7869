"""Providers of telemetry: those that MeshConfig names, those that Istio has without naming them."""

from collections.abc import Iterable, Mapping
from typing import Any

Spec = Mapping[str, Any]

CLIENT, SERVER, BOTH = "CLIENT", "SERVER", "CLIENT_AND_SERVER"

STDOUT = "/dev/stdout"
ENVOY: Spec = {"name": "envoy", "envoyFileAccessLog": {"path": STDOUT}}
BUILT_IN: tuple[Spec, ...] = (ENVOY, {"name": "prometheus", "prometheus": {}})


def by_name(mesh: Spec) -> dict[str, Spec]:
    """By name, whose case does not matter; the mesh's own win."""
    return {str(p.get("name", "")).lower(): p for p in (*BUILT_IN, *(mesh.get("extensionProviders") or ()))}


def names(spec: Spec, key: str = "providers") -> list[str]:
    """The names in a list of providers, or of plain names."""
    return [str(p["name"] if isinstance(p, Mapping) else p) for p in spec.get(key) or ()]


def default(mesh: Spec, signal: str) -> list[str]:
    """The providers of ``accessLogging``, ``tracing`` or ``metrics`` where no Telemetry names one."""
    return names(mesh.get("defaultProviders") or {}, signal)


def is_of(entry: Spec, mode: str) -> bool:
    """Whether an entry speaks of a side."""
    return (entry.get("match") or {}).get("mode", BOTH) in (mode, BOTH)


def cluster(settings: Spec, clusters: Iterable[str]) -> tuple[str, str]:
    """(upstream, host) of a collector; an upstream that the proxy does not have is the empty text."""
    host = str(settings.get("service", "")).rpartition("/")[2]
    name = f"outbound|{settings.get('port', 0)}||{host}"
    return (name if name in clusters else ""), host
