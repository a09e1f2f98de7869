"""Where a Service leads, for what the API server itself calls: webhooks and proxied requests."""

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.core import Core

SLICES = "discovery.k8s.io/endpointslices"
SERVICE_NAME = "kubernetes.io/service-name"


def of_service(core: Core, namespace: str, name: str, port: str) -> tuple[str, int]:
    """Address and port of a ready endpoint behind a port's number or name; LookupError in a real server's words.

    Without a port the Service's only one is meant.
    """
    service = core.peek("/services", namespace, name)
    if service is None:
        raise LookupError(f'service "{name}" not found')
    listed = service["spec"].get("ports") or []
    ports = [p for p in listed if port in (str(p["port"]), p.get("name") or "") or (not port and len(listed) == 1)]
    if not ports:
        raise LookupError(f'no service port {port} found for service "{name}"')
    for item in core.store.table(SLICES).items(namespace):
        if (item.object["metadata"].get("labels") or {}).get(SERVICE_NAME) == name:
            place = _ready(item.object, ports[0].get("name") or "")
            if place is not None:
                return place
    raise LookupError(f'no endpoints available for service "{name}"')


def _ready(piece: Object, port: str) -> tuple[str, int] | None:
    target = next((p["port"] for p in piece.get("ports") or [] if (p.get("name") or "") == port), None)
    for endpoint in piece.get("endpoints") or []:
        if target and (endpoint.get("conditions") or {}).get("ready", True):
            return str(endpoint["addresses"][0]), int(target)
    return None
