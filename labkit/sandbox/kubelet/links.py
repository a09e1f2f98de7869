"""Variables that tell a container of the Services that were there before it: ``REDIS_SERVICE_HOST`` and the rest."""

from collections.abc import Iterable, Iterator

from labkit.kube import resources
from labkit.kube.resources import Object

MASTER = ("default", "kubernetes")
"""The one Service that every pod is told of (namespace and name)."""


def variables(pod: Object, services: Iterable[Object]) -> dict[str, str]:
    """For the Services of the pod's namespace, unless ``enableServiceLinks`` is false; and for the API server's."""
    namespace = resources.namespace_of(pod)
    is_linked = pod["spec"].get("enableServiceLinks") is not False
    told: dict[str, str] = {}
    for service in services:
        key = (resources.namespace_of(service), resources.name_of(service))
        if key == MASTER or (is_linked and key[0] == namespace):
            told.update(_of(service))
    return told


def _of(service: Object) -> Iterator[tuple[str, str]]:
    ip, ports = service["spec"].get("clusterIP"), service["spec"].get("ports") or []
    if ip in (None, "", "None") or not ports:
        return
    name = resources.name_of(service).upper().replace("-", "_")
    yield f"{name}_SERVICE_HOST", ip
    yield f"{name}_SERVICE_PORT", str(ports[0]["port"])
    for port in ports:
        if port.get("name"):
            yield f"{name}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}", str(port["port"])
    for at, port in enumerate(ports):
        protocol, number = port.get("protocol") or "TCP", str(port["port"])
        url, prefix = f"{protocol.lower()}://{ip}:{number}", f"{name}_PORT_{number}_{protocol}"
        if at == 0:
            yield f"{name}_PORT", url
        yield prefix, url
        yield f"{prefix}_PROTO", protocol.lower()
        yield f"{prefix}_PORT", number
        yield f"{prefix}_ADDR", ip
