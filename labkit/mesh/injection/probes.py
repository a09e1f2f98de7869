"""Probes of apps go to the proxy's agent, which asks the app: with mutual TLS the kubelet could not ask it itself."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object

PORT = 15020
PATHS = {"readinessProbe": "readyz", "livenessProbe": "livez", "startupProbe": "startupz"}


def rewritten(container: Object) -> Object:
    """The container with its network probes at the agent."""
    shown = dict(container)
    for kind, _, _ in _network_probes(container):
        probe = {k: v for k, v in container[kind].items() if k not in ("httpGet", "tcpSocket", "grpc")}
        shown[kind] = {**probe, "httpGet": {"path": path_of(container, kind), "port": PORT}}
    return shown


def path_of(container: Object, kind: str) -> str:
    """``/app-health/web/readyz``."""
    return f"/app-health/{container['name']}/{PATHS[kind]}"


def probers(containers: list[Object]) -> str:
    """What the agent must know of the probes: path → the app's own, as JSON; empty when there are none."""
    asked: dict[str, Object] = {}
    for container in containers:
        for kind, handler, target in _network_probes(container):
            probe = {handler: {**target, "port": _number(container, target["port"])}}
            if seconds := container[kind].get("timeoutSeconds"):
                probe["timeoutSeconds"] = seconds
            asked[path_of(container, kind)] = probe
    return json.dumps(dict(sorted(asked.items())), separators=(",", ":")) if asked else ""


def _network_probes(container: Object) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for kind in PATHS:
        probe = container.get(kind) or {}
        for handler in ("httpGet", "tcpSocket", "grpc"):
            if probe.get(handler):
                yield kind, handler, _in_order(probe[handler])


_ORDER = ("path", "port", "host", "scheme", "httpHeaders", "service")


def _in_order(handler: Mapping[str, Any]) -> dict[str, Any]:
    return {key: handler[key] for key in _ORDER if key in handler}


def _number(container: Object, port: Any) -> Any:
    named = {p.get("name"): p["containerPort"] for p in container.get("ports") or []}
    return named.get(port, port)
