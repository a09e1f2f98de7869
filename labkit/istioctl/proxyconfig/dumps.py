"""An Envoy's config dump: its parts, and Istio's notes in it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.sandbox.proxy import credentials

Dump = Mapping[str, Any]

_OBJECT = re.compile(r"/namespaces/([^/]+)/(?:virtual-service|destination-rule)/(.+)$")
_SNAKE = re.compile(r"^[a-z][a-z0-9]*(?:_[a-z0-9]+)+$")
_FREE = frozenset(
    {"filter_metadata", "typed_filter_metadata", "typed_per_filter_config", "typed_extension_protocol_options"}
)


def parts(dump: Dump, *keys: str) -> Iterator[Any]:
    """Entries of these lists of the dump's sections."""
    for section in dump.get("configs", []):
        for key in keys:
            yield from section.get(key, [])


def listeners(dump: Dump) -> list[Any]:
    """Every listener that is live."""
    static = [entry["listener"] for entry in parts(dump, "static_listeners")]
    return [*static, *(e["active_state"]["listener"] for e in parts(dump, "dynamic_listeners") if "active_state" in e)]


def clusters(dump: Dump) -> list[Any]:
    """Every cluster."""
    return [entry["cluster"] for entry in parts(dump, "static_clusters", "dynamic_active_clusters")]


def routes(dump: Dump) -> list[Any]:
    """Every table of routes."""
    return [entry["route_config"] for entry in parts(dump, "static_route_configs", "dynamic_route_configs")]


def secrets(dump: Dump) -> list[tuple[str, Any]]:
    """``ACTIVE`` or ``WARMING``, and the entry, of every secret that istiod sends or names."""
    words = {"static_secrets": "ACTIVE", "dynamic_active_secrets": "ACTIVE", "dynamic_warming_secrets": "WARMING"}
    listed = [(word, entry) for key, word in words.items() for entry in parts(dump, key)]
    return [(word, entry) for word, entry in listed if entry.get("name") not in credentials.MOUNTS]


def bootstrap(dump: Dump) -> Any:
    """What Envoy was started with."""
    return next((s for s in dump.get("configs", []) if s.get("@type", "").endswith("BootstrapConfigDump")), {})


def managed_by(metadata: Mapping[str, Any] | None) -> str:
    """``reviews.default``, the object that a resource was made of, as Istio notes it."""
    config = (((metadata or {}).get("filter_metadata") or {}).get("istio") or {}).get("config", "")
    match = _OBJECT.search(str(config))
    return f"{match[2]}.{match[1]}" if match else ""


def camel(value: Any, *, free: bool = False) -> Any:
    """With the names of fields as protobuf's JSON has them; keys of maps stay."""
    if isinstance(value, list):
        return [camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {(k if free else _camel(k)): camel(v, free=k in _FREE) for k, v in value.items()}


def _camel(name: str) -> str:
    if not _SNAKE.match(name):
        return name
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
