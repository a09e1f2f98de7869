"""The objects of a cluster, asked as analyzers ask: by kind, by host, by labels."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Object = Mapping[str, Any]

ROOT = "istio-system"
SUFFIX = "svc.cluster.local"
MESH = "mesh"
"""The gateway that stands for all sidecars."""


class Snapshot:
    """Objects of many kinds; Gateways of the Gateway API and of Istio are told apart by their group."""

    def __init__(self, objects: Iterable[Object]) -> None:
        self._kinds: dict[str, list[Object]] = {}
        for obj in objects:
            self._kinds.setdefault(_kind(obj), []).append(obj)

    def of(self, kind: str) -> list[Object]:
        """Every object of a kind; ``Gateway`` is Istio's."""
        return self._kinds.get(kind, [])

    def names(self, kind: str) -> set[str]:
        """``namespace/name`` of each object of a kind."""
        return {full_name(obj) for obj in self.of(kind)}

    def pods(self, labels: Mapping[str, str], namespace: str = "") -> list[Object]:
        """Pods with all these labels, in one namespace or in any."""
        return [
            pod
            for pod in self.of("Pod")
            if labels.items() <= labels_of(pod).items() and namespace in ("", namespace_of(pod))
        ]

    def service(self, host: str, namespace: str) -> Object | None:
        """The Service that a host names as seen from a namespace."""
        name = fqdn(host, namespace)
        return next((s for s in self.of("Service") if fqdn(name_of(s), namespace_of(s)) == name), None)

    def knows(self, host: str, namespace: str) -> bool:
        """Whether a Service or a ServiceEntry has this host."""
        if self.service(host, namespace) is not None:
            return True
        hosts = (h for entry in self.of("ServiceEntry") for h in entry["spec"].get("hosts") or [])
        return any(covers(known, host) or known == fqdn(host, namespace) for known in hosts)


def _kind(obj: Object) -> str:
    is_kube = str(obj.get("apiVersion", "")).startswith("gateway.networking.k8s.io/")
    return f"Kube{obj['kind']}" if is_kube and obj["kind"] == "Gateway" else str(obj["kind"])


def fqdn(host: str, namespace: str) -> str:
    """The whole name of a host as an object of a namespace writes it: short, with a namespace, or whole."""
    parts = host.split(".")
    if host.startswith("*") or not host:
        return host
    if len(parts) == 1:
        return f"{host}.{namespace}.{SUFFIX}"
    if parts[2:] in ([], ["svc"]) and len(parts) <= 3:
        return f"{parts[0]}.{parts[1]}.{SUFFIX}"
    return host


def covers(pattern: str, host: str) -> bool:
    """Whether a host with a wildcard, ``*.example.com``, takes in another."""
    return pattern in ("*", host) or (pattern.startswith("*.") and host.endswith(pattern[1:]))


def name_of(obj: Object) -> str:
    """``metadata.name``."""
    return str(obj["metadata"]["name"])


def namespace_of(obj: Object) -> str:
    """``metadata.namespace``."""
    return str(obj["metadata"].get("namespace", ""))


def full_name(obj: Object) -> str:
    """``default/reviews``."""
    return f"{namespace_of(obj)}/{name_of(obj)}"


def labels_of(obj: Object) -> dict[str, str]:
    """``metadata.labels``."""
    return dict(obj["metadata"].get("labels") or {})


def gateways_of(service: Object) -> list[str]:
    """The gateways of a VirtualService as ``namespace/name``; ``mesh`` where it names none."""
    named = service["spec"].get("gateways") or [MESH]
    return [name if name == MESH or "/" in name else f"{namespace_of(service)}/{name}" for name in named]


def listed(labels: Mapping[str, str]) -> str:
    """``app=reviews,version=v1``."""
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))


def destinations(service: Object) -> Iterator[Object]:
    """Every destination of a VirtualService's routes, HTTP, TLS and TCP."""
    for kind in ("http", "tls", "tcp"):
        for rule in service["spec"].get(kind) or []:
            yield from (route["destination"] for route in rule.get("route") or [] if route.get("destination"))


def mirrors(service: Object) -> Iterator[Object]:
    """Every mirror of a VirtualService."""
    for rule in service["spec"].get("http") or []:
        if rule.get("mirror"):
            yield rule["mirror"]
        yield from (mirror["destination"] for mirror in rule.get("mirrors") or [] if mirror.get("destination"))
