"""The objects of a cluster, asked as analyzers ask: by kind, by host, by labels."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import yaml

from labkit.mesh import injection, names, revisions
from labkit.mesh.analysis.messages import Path

Object = Mapping[str, Any]

ROOT = "istio-system"
MESH = "mesh"
"""The gateway that stands for all sidecars."""

SYSTEM = ("istio-system", "kube-system", "kube-public", "kube-node-lease", "local-path-storage")
"""Namespaces that Istio's analyzers leave alone."""

KUBERNETES = frozenset({"Service", "Namespace", "Pod", "Secret", "Deployment", "ConfigMap", "Webhook"})
"""What only a cluster has: objects of these kinds in files are not looked at."""

PROXY = "istio-proxy"
MODE, AMBIENT, REDIRECTION = "istio.io/dataplane-mode", "ambient", "ambient.istio.io/redirection"


class Snapshot:
    """Objects of many kinds; Gateways of the Gateway API and of Istio are told apart by their group."""

    def __init__(self, objects: Iterable[Object]) -> None:
        self._kinds: dict[str, list[Object]] = {}
        for obj in objects:
            self._kinds.setdefault(_kind(obj), []).append(obj)

    def all(self) -> Iterator[Object]:
        """Every object."""
        for objects in self._kinds.values():
            yield from objects

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

    def services_of(self, pod: Object) -> list[Object]:
        """The Services that select a pod."""
        return [s for s in self.of("Service") if selects(s, labels_of(pod)) and namespace_of(s) == namespace_of(pod)]

    def ports(self, host: str, namespace: str, exports: Sequence[str] = ()) -> list[int] | None:
        """The ports of the Service or ServiceEntry with this host, None where nobody has it."""
        scopes = {"*", namespace} if not exports else {"*", *(namespace if e == "." else e for e in exports)}
        whole = fqdn(host, namespace)
        wildcards = []
        for scope, name, ports in self._hosts:
            if name == whole and scope in scopes:
                return ports
            if name.startswith("*") and scope in ("*", namespace) and whole.lstrip("*").endswith(name[1:]):
                wildcards.append(ports)
        return wildcards[0] if wildcards else None

    def knows(self, host: str, namespace: str) -> bool:
        """Whether a Service or a ServiceEntry has this host."""
        return self.ports(host, namespace) is not None

    @cached_property
    def _hosts(self) -> list[tuple[str, str, list[int]]]:
        """Scope (a namespace, or ``*`` for all), host and ports of every Service and ServiceEntry."""
        hosts = []
        for service in self.of("Service"):
            ports = [port["port"] for port in service["spec"].get("ports") or []]
            hosts.append(("*", fqdn(name_of(service), namespace_of(service)), ports))
        for entry in self.of("ServiceEntry"):
            exports = entry["spec"].get("exportTo") or ["*"]
            scopes = ["*"] if "*" in exports else [namespace_of(entry) if e == "." else e for e in exports]
            ports = [port["number"] for port in entry["spec"].get("ports") or []]
            for host in entry["spec"].get("hosts") or []:
                hosts += [(scope, fqdn(host, namespace_of(entry)), ports) for scope in scopes]
        return hosts

    @cached_property
    def mesh_config(self) -> Mapping[str, Any]:
        """``mesh`` of the ConfigMap ``istio``."""
        text = self._config("istio").get("mesh", "")
        return yaml.safe_load(text) or {}

    @cached_property
    def proxy_image(self) -> str:
        """The image that the injector gives proxies; empty where its ConfigMap does not say."""
        return revisions.proxy_image(json.loads(self._config("istio-sidecar-injector").get("values") or "{}"))

    def _config(self, name: str) -> Mapping[str, str]:
        maps = (m for m in self.of("ConfigMap") if full_name(m) == f"{ROOT}/{name}")
        return next(maps, {}).get("data") or {}

    def namespace(self, name: str) -> Object:
        """The Namespace object; one without labels where it is not there."""
        empty: Object = {"kind": "Namespace", "metadata": {"name": name}}
        return next((space for space in self.of("Namespace") if name_of(space) == name), empty)

    def is_in_mesh(self, pod: Object) -> bool:
        """Whether a pod, or the pods of a template, have a sidecar, are to get one, or are in ambient."""
        if proxies_of(pod) or is_in_ambient(pod):
            return True
        return injection.is_wanted(dict(pod), dict(self.namespace(namespace_of(pod))))


def _kind(obj: Object) -> str:
    kind = str(obj["kind"])
    if kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
        return "Webhook"
    return f"Kube{kind}" if str(obj.get("apiVersion", "")).startswith("gateway.networking.k8s.io/") else kind


def fqdn(host: str, namespace: str) -> str:
    """The whole name of a host as an object of a namespace writes it; ``reviews.default`` stays as it is."""
    return names.full_host(host, namespace) if host else host


def overlap(one: str, other: str) -> bool:
    """Whether two hosts, each perhaps with a wildcard, have a name in common."""
    return names.common(one, other) is not None


def selects(service: Object, labels: Mapping[str, str]) -> bool:
    """Whether a Service selects pods with these labels."""
    selector = service["spec"].get("selector") or {}
    return bool(selector) and selector.items() <= labels.items()


def proxies_of(pod: Object) -> list[Object]:
    """The containers of a pod that are Istio's proxy."""
    spec = pod.get("spec") or {}
    containers = [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
    return [container for container in containers if container.get("name") == PROXY]


def is_in_ambient(pod: Object) -> bool:
    """Whether a pod's connections go through ztunnel."""
    return (pod["metadata"].get("annotations") or {}).get(REDIRECTION) == "enabled"


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


def gateway_name(written: str, service: Object) -> str:
    """``default/bookinfo-gateway``."""
    return names.gateway(written, namespace_of(service))


def gateways_of(service: Object) -> list[str]:
    """The gateways of a VirtualService as ``namespace/name``; ``mesh`` where it names none."""
    return [gateway_name(name, service) for name in service["spec"].get("gateways") or [MESH]]


def listed(labels: Mapping[str, str]) -> str:
    """``app=reviews,version=v1``."""
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))


Located = tuple[Path, Mapping[str, Any]]


def destinations(service: Object) -> Iterator[Located]:
    """Every destination of a VirtualService's routes, HTTP, TLS and TCP, and where it stands."""
    yield from http_destinations(service)
    yield from (destination for kind in ("tcp", "tls") for destination in _destinations(service, kind))


def http_destinations(service: Object) -> Iterator[Located]:
    """Those of HTTP routes."""
    yield from _destinations(service, "http")


def _destinations(service: Object, kind: str) -> Iterator[Located]:
    for number, rule in enumerate(service["spec"].get(kind) or []):
        for at, route in enumerate(rule.get("route") or []):
            if route.get("destination"):
                yield ("spec", kind, number, "route", at, "destination"), route["destination"]


def mirrors(service: Object) -> Iterator[Located]:
    """Every mirror of a VirtualService."""
    for number, rule in enumerate(service["spec"].get("http") or []):
        if rule.get("mirror"):
            yield ("spec", "http", number, "mirror"), rule["mirror"]
        for at, mirror in enumerate(rule.get("mirrors") or []):
            if mirror.get("destination"):
                yield ("spec", "http", number, "mirrors", at, "destination"), mirror["destination"]
