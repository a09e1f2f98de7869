"""Kubernetes Services as hosts of the mesh."""

from collections.abc import Iterator, Mapping, Sequence

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import blame, model, protocols
from labkit.mesh.hosts import visibility, workloads
from labkit.mesh.hosts.services import Endpoint, Port, Service

EXPORT_TO = "networking.istio.io/exportTo"


def host_of(name: str, namespace: str) -> str:
    """``reviews.default.svc.cluster.local``."""
    return f"{name}.{namespace}.svc.{model.DOMAIN}"


def is_alias(service: Object) -> bool:
    """ExternalName: another name for a host, not a host."""
    return bool(service["spec"].get("type") == "ExternalName")


def service_of(
    obj: Object,
    slices: Sequence[Object],
    pods: Mapping[tuple[str, str], Object],
    entries: Sequence[Object],
    *,
    default_export: Sequence[str] = ("*",),
) -> Service:
    """One Service with what its EndpointSlices and the WorkloadEntries of its labels lead to."""
    with blame.naming(f"Service {resources.namespace_of(obj)}/{resources.name_of(obj)}"):
        return _service(obj, slices, pods, entries, default_export)


def _service(
    obj: Object,
    slices: Sequence[Object],
    pods: Mapping[tuple[str, str], Object],
    entries: Sequence[Object],
    default_export: Sequence[str],
) -> Service:
    spec, name, namespace = obj["spec"], resources.name_of(obj), resources.namespace_of(obj)
    ports = tuple(_port(p) for p in spec.get("ports") or [] if p.get("protocol", "TCP") == "TCP")
    targets: dict[int, int] = {}
    endpoints: dict[int, tuple[Endpoint, ...]] = {}
    selector = spec.get("selector") or {}
    machines = [e for e in entries if selector and selector.items() <= workloads.labels_of(e).items()]
    for port in ports:
        ready = []
        for piece in slices:
            target = _target(piece, port.name)
            if target is not None:
                targets[port.number] = target
                ready += [_endpoint(e, target, pods) for e in piece.get("endpoints") or [] if _is_ready(e)]
        ready += _machines(machines, port, _target_port(spec, port.number))
        endpoints[port.number] = tuple(ready)
    address = "" if spec.get("clusterIP") in (None, "None") else spec["clusterIP"]
    export_to = resources.annotations_of(obj).get(EXPORT_TO)
    return Service(
        host=host_of(name, namespace),
        name=name,
        namespace=namespace,
        address=address,
        addresses=(address,) if address else (),
        ports=ports,
        endpoints=endpoints,
        selector=selector,
        targets=targets,
        is_headless=spec.get("clusterIP") == "None",
        exported_to=visibility.audience(
            [w.strip() for w in export_to.split(",")] if export_to else None, namespace, default_export
        ),
        node_ports={p["port"]: p["nodePort"] for p in spec.get("ports") or [] if p.get("nodePort")},
    )


def _port(port: Object) -> Port:
    name = port.get("name") or ""
    return Port(number=port["port"], name=name, protocol=protocols.of_port(name, port["port"], port.get("appProtocol")))


def _target(piece: Object, name: str) -> int | None:
    return next((p["port"] for p in piece.get("ports") or [] if (p.get("name") or "") == name), None)


def _target_port(spec: Object, number: int) -> int | str:
    target: int | str = next(
        (p.get("targetPort", number) for p in spec.get("ports") or [] if p["port"] == number), number
    )
    return target


def _machines(entries: Sequence[Object], port: Port, target: int | str) -> Iterator[Endpoint]:
    """WorkloadEntries behind a port. One that has no port of the name that the Service asks for is not behind it."""
    for entry in entries:
        number = target if isinstance(target, int) else (entry["spec"].get("ports") or {}).get(target)
        if number or port.name in (entry["spec"].get("ports") or {}):
            yield workloads.endpoint_of(entry, port.name, number or 0)


def _is_ready(endpoint: Object) -> bool:
    return (endpoint.get("conditions") or {}).get("ready", True) is not False


def _endpoint(endpoint: Object, port: int, pods: Mapping[tuple[str, str], Object]) -> Endpoint:
    reference = endpoint.get("targetRef") or {}
    pod = pods.get((reference.get("namespace", ""), reference.get("name", "")))
    if pod is None:
        return Endpoint(address=endpoint["addresses"][0], port=port, labels={}, account="", speaks_mtls=False)
    return workloads.pod_endpoint(pod, endpoint["addresses"][0], port)
