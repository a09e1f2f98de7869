"""The hosts of the mesh: Kubernetes Services with their ports and endpoints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import model


@dataclass(frozen=True, kw_only=True)
class Port:
    """One port of a host."""

    number: int
    name: str
    protocol: str
    """``http`` or ``tcp``."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One ready address behind a port."""

    address: str
    port: int
    labels: Mapping[str, str]
    account: str
    """``namespace/service account``; empty when unknown."""

    speaks_mtls: bool


@dataclass(frozen=True, kw_only=True)
class Service:
    """One host."""

    host: str
    """``reviews.default.svc.cluster.local``."""

    name: str
    namespace: str
    address: str
    """ClusterIP; empty for a headless one."""

    ports: tuple[Port, ...]
    endpoints: Mapping[int, tuple[Endpoint, ...]]
    """By service port."""

    selector: Mapping[str, str]
    targets: Mapping[int, int]
    """Service port → port of the pods."""

    node_ports: Mapping[int, int]
    """Service port → node port."""

    def domains(self, namespace: str) -> list[str]:
        """Names under which a client in ``namespace`` may call it, most specific last."""
        full = [self.host, f"{self.name}.{self.namespace}.svc", f"{self.name}.{self.namespace}"]
        own = [self.name] if namespace == self.namespace else []
        return [*own, *reversed(full), *([self.address] if self.address else [])]


HTTP_PREFIXES = ("http", "http2", "grpc", "grpc-web")


def protocol_of(port: Object) -> str:
    """Istio's choice: ``appProtocol``, else the name's prefix; a port without either is taken for HTTP here."""
    said = port.get("appProtocol") or port.get("name", "").split("-")[0]
    if said in ("tcp", "tls", "https", "mongo", "mysql", "redis", "udp"):
        return "tcp"
    return "http" if said in HTTP_PREFIXES or not port.get("name") else "tcp"


def all_of(snapshot: model.Snapshot) -> dict[str, Service]:
    """Every Service by host."""
    pods = {(resources.namespace_of(p), resources.name_of(p)): p for p in snapshot.of("pods")}
    slices: dict[tuple[str, str], list[Object]] = {}
    for found in snapshot.of("endpointslices.discovery.k8s.io"):
        name = resources.labels_of(found).get("kubernetes.io/service-name", "")
        slices.setdefault((resources.namespace_of(found), name), []).append(found)
    return {
        service.host: service
        for obj in snapshot.of("services")
        if obj["spec"].get("type") != "ExternalName"
        for service in [_service(obj, slices.get((resources.namespace_of(obj), resources.name_of(obj)), []), pods)]
    }


def _service(obj: Object, slices: Sequence[Object], pods: Mapping[tuple[str, str], Object]) -> Service:
    spec, name, namespace = obj["spec"], resources.name_of(obj), resources.namespace_of(obj)
    ports = tuple(
        Port(number=p["port"], name=p.get("name", ""), protocol=protocol_of(p))
        for p in spec.get("ports") or []
        if p.get("protocol", "TCP") == "TCP"
    )
    targets: dict[int, int] = {}
    endpoints: dict[int, tuple[Endpoint, ...]] = {}
    for port in ports:
        found = []
        for piece in slices:
            target = next((p["port"] for p in piece.get("ports") or [] if p.get("name", "") == port.name), None)
            if target is None:
                continue
            targets[port.number] = target
            found += [_endpoint(e, target, pods) for e in piece.get("endpoints") or [] if _is_ready(e)]
        endpoints[port.number] = tuple(found)
    address = spec.get("clusterIP") or ""
    return Service(
        host=f"{name}.{namespace}.svc.{model.DOMAIN}",
        name=name,
        namespace=namespace,
        address="" if address == "None" else address,
        ports=ports,
        endpoints=endpoints,
        selector=spec.get("selector") or {},
        targets=targets,
        node_ports={p["port"]: p["nodePort"] for p in spec.get("ports") or [] if p.get("nodePort")},
    )


def _is_ready(endpoint: Object) -> bool:
    return (endpoint.get("conditions") or {}).get("ready", True) is not False


def _endpoint(endpoint: Object, port: int, pods: Mapping[tuple[str, str], Object]) -> Endpoint:
    reference = endpoint.get("targetRef") or {}
    pod = pods.get((reference.get("namespace", ""), reference.get("name", "")), {})
    labels = resources.labels_of(pod)
    account = pod.get("spec", {}).get("serviceAccountName", "")
    return Endpoint(
        address=endpoint["addresses"][0],
        port=port,
        labels=labels,
        account=f"{reference['namespace']}/{account}" if account else "",
        speaks_mtls=labels.get("security.istio.io/tlsMode") == "istio",
    )
