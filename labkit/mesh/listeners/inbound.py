"""What comes in for a sidecar's app."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.mesh import model, protocols
from labkit.mesh.hosts.services import Service

HELD = frozenset({15000, 15001, 15020, 15021, 15090})
"""Ports that a proxy has for itself; in Istio nothing is captured there either."""


@dataclass(frozen=True, kw_only=True)
class Inbound:
    """One port of a pod."""

    port: int
    is_http: bool
    app_port: int
    """Where the app listens."""

    service: Service | None
    """The first that leads there."""


class Selected:
    """Which Services choose a pod: found by one label of their selectors, not by asking all of them."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._by_label: dict[tuple[str, str, str], list[tuple[int, Service]]] = {}
        for number, service in enumerate(services):
            if service.is_kubernetes and service.selector:
                key, value = next(iter(service.selector.items()))
                self._by_label.setdefault((service.namespace, key, value), []).append((number, service))

    def by(self, proxy: model.Proxy) -> list[Service]:
        """The Services of a pod, in their order."""
        labels = dict(proxy.labels)
        candidates = [
            numbered
            for key, value in labels.items()
            for numbered in self._by_label.get((proxy.namespace, key, value), ())
            if numbered[1].selector.items() <= labels.items()
        ]
        return [service for _, service in sorted(candidates, key=lambda numbered: numbered[0])]


def ports(
    own: Sequence[Service],
    said: Sequence[Mapping[str, Any]] = (),
    more: Sequence[int] = (),
) -> list[Inbound]:
    """Ports that the pod's own Services lead to, or those of a Sidecar object, which then decides; and ``more``."""
    if said:
        return [port for port in (_said(i, own) for i in said) if port.port not in HELD]
    found: dict[int, Inbound] = {}
    for service in own:
        for number, target in service.targets.items():
            port = service.port(number)
            is_http = port is not None and protocols.may_be_http(port.protocol)
            found.setdefault(target, Inbound(port=target, is_http=is_http, app_port=target, service=service))
    for number in more:
        found.setdefault(number, Inbound(port=number, is_http=False, app_port=number, service=None))
    return [port for number, port in found.items() if number not in HELD]


def _said(listener: Mapping[str, Any], own: Sequence[Service]) -> Inbound:
    port = listener.get("port") or {}
    number = int(port.get("number") or 0)
    default = str(listener.get("defaultEndpoint") or "")
    protocol = protocols.KNOWN.get(str(port.get("protocol") or "").lower(), protocols.UNKNOWN)
    app_port = default.rpartition(":")[2]
    return Inbound(
        port=number,
        is_http=protocols.may_be_http(protocol),
        app_port=int(app_port) if app_port.isdecimal() else number,
        service=next((s for s in own if number in s.targets.values()), None),
    )
