"""Where a client's connection goes: the address behind a host's name, and the port behind a gateway's Service."""

from collections.abc import Iterator, Mapping

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import names
from labkit.mesh.model import Snapshot

HEADLESS = "None"


def of_host(snapshot: Snapshot, host: str, namespace: str) -> str:
    """The address that a pod of a namespace connects to for a host; empty where only DNS outside the mesh knows it."""
    if names.is_address(host):
        return host
    return next(iter((*_of_services(snapshot, host, namespace), *_of_entries(snapshot, host))), "")


def listener_port(snapshot: Snapshot, pod: Object, number: int) -> int | None:
    """The port at which a gateway's pod listens for connections to a port or node port of its Service."""
    labels, namespace = resources.labels_of(pod), resources.namespace_of(pod)
    for service in snapshot.of("services"):
        selector = service["spec"].get("selector")
        if not selector or resources.namespace_of(service) != namespace or not selector.items() <= labels.items():
            continue
        for port in service["spec"].get("ports") or ():
            if number in (port["port"], port.get("nodePort")):
                return _target(port, pod)
    return None


def _target(port: Mapping[str, object], pod: Object) -> int | None:
    target = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    containers = (pod.get("spec") or {}).get("containers") or ()
    named = (p for container in containers for p in container.get("ports") or () if p.get("name") == target)
    return next((int(p["containerPort"]) for p in named), None)


def _of_services(snapshot: Snapshot, host: str, namespace: str) -> Iterator[str]:
    for service in snapshot.of("services"):
        own, place = resources.name_of(service), resources.namespace_of(service)
        full = names.full_host(own, place)
        titles = {full, f"{own}.{place}.svc", f"{own}.{place}", *((own,) if place == namespace else ())}
        if host.lower().rstrip(".") not in titles:
            continue
        address = service["spec"].get("clusterIP", "")
        if address and address != HEADLESS:
            yield address
        else:
            yield from _endpoints(snapshot, own, place)


def _endpoints(snapshot: Snapshot, service: str, namespace: str) -> Iterator[str]:
    for part in snapshot.of("endpointslices.discovery.k8s.io"):
        is_own = resources.labels_of(part).get("kubernetes.io/service-name") == service
        if is_own and resources.namespace_of(part) == namespace:
            for endpoint in part.get("endpoints") or ():
                yield from endpoint.get("addresses") or ()


def _of_entries(snapshot: Snapshot, host: str) -> Iterator[str]:
    for entry in snapshot.of("serviceentries.networking.istio.io"):
        spec = entry.get("spec") or {}
        if any(_covers(pattern, host) for pattern in spec.get("hosts") or ()):
            allocated = ((entry.get("status") or {}).get("addresses")) or ()
            written = [*(spec.get("addresses") or ()), *(a.get("value", "") for a in allocated)]
            yield from (address for address in written if names.is_address(address))


def _covers(pattern: str, host: str) -> bool:
    return pattern == host or (pattern.startswith("*.") and host.endswith(pattern[1:]))
