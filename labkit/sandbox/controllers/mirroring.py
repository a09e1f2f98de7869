"""Endpoints that somebody writes by hand are mirrored into EndpointSlices, which is what traffic follows."""

import contextlib
import ipaddress
from collections.abc import Iterable, Iterator, Mapping

from labkit.kube import informer, resources, status
from labkit.kube.resources import Object
from labkit.sandbox.controllers import queue
from labkit.sandbox.controllers.deployment_plan import owner_reference
from labkit.sandbox.controllers.informers import Informers
from labkit.sandbox.controllers.podcontrol import MANAGER
from labkit.sandbox.controllers.slices import MANAGED_BY, SERVICE_NAME

MIRRORER = "endpointslicemirroring-controller.k8s.io"
SKIPPED = "endpointslice.kubernetes.io/skip-mirror"
LEADER = "control-plane.alpha.kubernetes.io/leader"
UNCOPIED = ("endpoints.kubernetes.io/last-change-trigger-time", "kubectl.kubernetes.io/last-applied-configuration")


class Mirrors:
    """Keeps the slices of Endpoints that no controller made."""

    def __init__(self, informers: Informers) -> None:
        self._client = informers.client
        self._services = informers.of(resources.SERVICES)
        self._endpoints = informers.of(resources.ENDPOINTS)
        self._slices = informers.of(resources.ENDPOINT_SLICES)
        self.queue = queue.Queue(self._sync, name="endpointslice mirroring")
        for followed in (self._services, self._endpoints):
            followed.on_change(lambda old, new: self.queue.add(informer.key_of(new or old or {})))
        self._slices.on_change(self._slice_changed)

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        labels = resources.labels_of(new or old or {})
        if labels.get(MANAGED_BY) == MIRRORER:
            self.queue.add((resources.namespace_of(new or old or {}), labels.get(SERVICE_NAME, "")))

    async def _sync(self, key: informer.Key) -> None:
        service, endpoints = self._services.cache.get(key), self._endpoints.cache.get(key)
        mirrors = list(mirrored(endpoints)) if is_mirrored(endpoints, service) and endpoints else []
        existing = [piece for piece in self._slices.all(key[0]) if _is_of(piece, key[1])]
        for piece in existing:
            match = next((one for one in mirrors if _says(one) == _says(piece)), None)
            if match is not None:
                mirrors.remove(match)
                continue
            with contextlib.suppress(status.NotFound):
                name = resources.name_of(piece)
                await self._client.delete(resources.ENDPOINT_SLICES, name, key[0], uid=resources.uid_of(piece))
        for piece in mirrors:
            await self._client.create(resources.ENDPOINT_SLICES, piece, manager=MANAGER)


def is_mirrored(endpoints: Object | None, service: Object | None) -> bool:
    """Whether Endpoints are the Service's only word on where it leads."""
    if endpoints is None or service is None or service["spec"].get("selector"):
        return False
    skipped = resources.labels_of(endpoints).get(SKIPPED) == "true"
    return not skipped and LEADER not in resources.annotations_of(endpoints)


def mirrored(endpoints: Object) -> Iterator[Object]:
    """One slice for each subset and family of addresses."""
    annotations = {k: v for k, v in resources.annotations_of(endpoints).items() if k not in UNCOPIED}
    name = resources.name_of(endpoints)
    for subset in endpoints.get("subsets") or []:
        ports = [{"name": "", **_port(port)} for port in subset.get("ports") or []]
        rows = [*_endpoints(subset.get("addresses"), ready=True)]
        rows += _endpoints(subset.get("notReadyAddresses"), ready=False)
        for family in dict.fromkeys(family for family, _ in rows):
            yield {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "generateName": f"{name}-",
                    "namespace": resources.namespace_of(endpoints),
                    "labels": {**resources.labels_of(endpoints), SERVICE_NAME: name, MANAGED_BY: MIRRORER},
                    **({"annotations": annotations} if annotations else {}),
                    "ownerReferences": [owner_reference(endpoints)],
                },
                "addressType": family,
                "endpoints": [endpoint for of, endpoint in rows if of == family],
                "ports": ports,
            }


def _port(port: Object) -> Object:
    kept = {key: port[key] for key in ("name", "port", "appProtocol") if port.get(key)}
    return {**kept, "protocol": port.get("protocol", "TCP")}


def _endpoints(addresses: Iterable[Object] | None, *, ready: bool) -> Iterator[tuple[str, Object]]:
    """(family, endpoint) of each address; one that is none is left out."""
    for address in addresses or ():
        try:
            ip = ipaddress.ip_address(address["ip"])
        except ValueError:
            continue
        endpoint = {"addresses": [str(ip)], "conditions": {"ready": ready}}
        optional = {key: address.get(key) for key in ("hostname", "nodeName", "targetRef")}
        yield f"IPv{ip.version}", {**endpoint, **{key: value for key, value in optional.items() if value}}


def _is_of(piece: Object, name: str) -> bool:
    labels = resources.labels_of(piece)
    return labels.get(SERVICE_NAME) == name and labels.get(MANAGED_BY) == MIRRORER


def _says(piece: Mapping[str, object]) -> object:
    return (
        resources.labels_of(piece),
        resources.annotations_of(piece),
        piece["addressType"],
        piece.get("endpoints") or [],
        piece.get("ports") or [],
    )
