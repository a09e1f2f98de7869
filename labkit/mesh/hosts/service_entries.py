"""ServiceEntries as hosts of the mesh: one for each name."""

import ipaddress
import zlib
from collections.abc import Iterator, Mapping, Sequence

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import blame, names, protocols
from labkit.mesh.hosts import visibility, workloads
from labkit.mesh.hosts.services import Endpoint, Port, Service


def services_of(
    obj: Object, entries: Sequence[Object], pods: Sequence[Object], *, default_export: Sequence[str] = ("*",)
) -> Iterator[Service]:
    """The hosts of a ServiceEntry; ``entries`` and ``pods`` are those of its namespace."""
    with blame.naming(f"ServiceEntry {resources.namespace_of(obj)}/{resources.name_of(obj)}"):
        yield from _services(obj, entries, pods, default_export)


def _services(
    obj: Object, entries: Sequence[Object], pods: Sequence[Object], default_export: Sequence[str]
) -> Iterator[Service]:
    spec, namespace = obj["spec"], resources.namespace_of(obj)
    ports = tuple(_port(p) for p in spec.get("ports") or [])
    targets = {p["number"]: p.get("targetPort") or p["number"] for p in spec.get("ports") or []}
    addresses = tuple(spec.get("addresses") or ())
    resolution = spec.get("resolution") or "NONE"
    for host in spec.get("hosts") or []:
        yield Service(
            host=host,
            name=host,
            namespace=namespace,
            ports=ports,
            targets=targets,
            endpoints={p.number: tuple(_endpoints(obj, host, p, targets[p.number], entries, pods)) for p in ports},
            address=addresses[0] if len(addresses) == 1 and not names.is_range(addresses[0]) else "",
            addresses=addresses,
            resolution=resolution,
            certified_names=tuple(spec.get("subjectAltNames") or ()),
            is_external=spec.get("location", "MESH_EXTERNAL") == "MESH_EXTERNAL",
            is_kubernetes=False,
            exported_to=visibility.audience(spec.get("exportTo"), namespace, default_export),
        )


def virtual_address(entry: Object, host: str) -> str:
    """The address under which pods of the mesh reach a ServiceEntry; empty where its host is asked for outside.

    Istio gives one to entries without an address of their own (240.240.0.0/16), but for wildcards and resolution NONE.
    """
    spec = entry["spec"]
    for own in (entry.get("status") or {}).get("addresses") or []:
        if own.get("host", host) == host and ":" not in own.get("value", ":"):
            return str(own["value"])
    if plain := next((a for a in spec.get("addresses") or [] if names.is_address(a)), ""):
        return str(plain)
    if spec.get("addresses") or spec.get("resolution", "NONE") == "NONE" or names.is_wildcard(host):
        return ""
    number = zlib.crc32(f"{resources.namespace_of(entry)}/{resources.name_of(entry)}/{host}".encode()) % 0xFFFE + 1
    return f"240.240.{number >> 8}.{number & 255}"


def virtual_address_v6(address: str) -> str:
    """The address of the other family beside an allocated one: ``240.240.0.5`` has ``2001:2::f0f0:5``."""
    a, b, c, d = (int(part) for part in address.split("."))
    return str(ipaddress.IPv6Address((0x20010002 << 96) | (a << 24 | b << 16 | c << 8 | d)))


def _port(port: Object) -> Port:
    protocol_name = str(port.get("protocol") or "").lower()
    name = port.get("name") or ""
    protocol = protocols.BY_NAME.get(protocol_name) or protocols.of_port(name, port["number"])
    return Port(number=port["number"], name=name, protocol=protocol)


def _endpoints(
    obj: Object, host: str, port: Port, target: int, entries: Sequence[Object], pods: Sequence[Object]
) -> Iterator[Endpoint]:
    spec, namespace = obj["spec"], resources.namespace_of(obj)
    chosen = (spec.get("workloadSelector") or {}).get("labels")
    if chosen:
        yield from _selected(chosen, port, target, entries, pods)
        return
    for endpoint in spec.get("endpoints") or []:
        yield workloads.machine(endpoint, port.name, target, namespace, endpoint.get("labels") or {})
    if not spec.get("endpoints") and str(spec.get("resolution", "")).startswith("DNS"):
        # Without endpoints the name itself is what is looked up.
        yield Endpoint(address=host, port=target, labels={}, account="", speaks_mtls=False)


def _selected(
    chosen: Mapping[str, str], port: Port, target: int, entries: Sequence[Object], pods: Sequence[Object]
) -> Iterator[Endpoint]:
    for entry in entries:
        if chosen.items() <= workloads.labels_of(entry).items():
            yield workloads.endpoint_of(entry, port.name, target)
    for pod in pods:
        address = (pod.get("status") or {}).get("podIP")
        if address and chosen.items() <= resources.labels_of(pod).items() and _is_ready(pod):
            yield workloads.pod_endpoint(pod, address, target)


def _is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
