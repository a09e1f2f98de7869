"""EndpointSlices and Endpoints: which pods stand behind each Service."""

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

from labkit.kube import informer, resources, status
from labkit.kube.resources import Object, Resource
from labkit.sandbox.controllers import queue
from labkit.sandbox.controllers.informers import Informers
from labkit.sandbox.controllers.podstates import is_ready

MANAGER = "kube-controller-manager"
MANAGED_BY, SLICES_MANAGER = "endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io"
ENDPOINTS_MANAGED_BY, ENDPOINTS_MANAGER = "endpoints.kubernetes.io/managed-by", "endpoint-controller"
SERVICE_NAME = "kubernetes.io/service-name"
HEADLESS = "service.kubernetes.io/headless"


class Slices:
    """Keeps one slice, and the Endpoints of old, for each Service with a selector."""

    def __init__(self, informers: Informers) -> None:
        self._client = informers.client
        self._services = informers.of(resources.SERVICES)
        self._pods = informers.of(resources.PODS)
        self._slices = informers.of(resources.ENDPOINT_SLICES)
        self._endpoints = informers.of(resources.ENDPOINTS)
        self.queue = queue.Queue(self._sync, name="endpointslice")
        self._services.on_change(lambda old, new: self.queue.add(informer.key_of(new or old or {})))
        self._pods.on_change(self._pod_changed)
        self._slices.on_change(self._slice_changed)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        for pod in filter(None, (old, new)):
            labels = resources.labels_of(pod)
            for service in self._services.all(resources.namespace_of(pod)):
                if selects(service["spec"].get("selector"), labels):
                    self.queue.add(informer.key_of(service))

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        endpoint_slice = new or old or {}
        if name := resources.labels_of(endpoint_slice).get(SERVICE_NAME):
            self.queue.add((resources.namespace_of(endpoint_slice), name))

    async def _sync(self, key: informer.Key) -> None:
        service, endpoints = self._services.cache.get(key), self._endpoints.cache.get(key)
        existing = [s for s in self._slices.all(key[0]) if _is_slice_of(s, key[1])]
        if service is None:
            await self._remove(resources.ENDPOINT_SLICES, existing)
            if endpoints is not None and ENDPOINTS_MANAGED_BY in resources.labels_of(endpoints):
                await self._remove(resources.ENDPOINTS, [endpoints])
        elif service["spec"].get("selector"):
            pods = list(self._pods.all(key[0]))
            await self._write(resources.ENDPOINT_SLICES, slice_of(service, pods), next(iter(existing), None))
            await self._write(resources.ENDPOINTS, endpoints_of(service, pods), endpoints)

    async def _write(self, kind: Resource, desired: Object, live: Object | None) -> None:
        if live is None:
            with contextlib.suppress(status.AlreadyExists):
                await self._client.create(kind, desired, manager=MANAGER)
        elif _differs(desired, live):
            old = live["metadata"]
            name = {"name": old["name"], "resourceVersion": old["resourceVersion"]}
            # The generateName stays: on a real server too it is what the object was made with.
            metadata = {**desired["metadata"], **name}
            await self._client.replace(kind, {**desired, "metadata": metadata}, manager=MANAGER)

    async def _remove(self, kind: Resource, objects: Iterable[Object]) -> None:
        for obj in objects:
            with contextlib.suppress(status.NotFound):
                await self._client.delete(kind, resources.name_of(obj), resources.namespace_of(obj))


def _is_slice_of(endpoint_slice: Object, service: str) -> bool:
    labels = resources.labels_of(endpoint_slice)
    return labels.get(SERVICE_NAME) == service and labels.get(MANAGED_BY) == SLICES_MANAGER


def _differs(desired: Object, live: Object) -> bool:
    if resources.labels_of(desired) != resources.labels_of(live):
        return True
    return any((desired.get(k) or []) != (live.get(k) or []) for k in ("endpoints", "ports", "subsets"))


def selects(selector: Mapping[str, str] | None, labels: Mapping[str, str]) -> bool:
    """Whether a Service's selector fits; an absent one fits nothing."""
    return bool(selector) and (selector or {}).items() <= labels.items()


def slice_of(service: Object, pods: Iterable[Object]) -> Object:
    """The slice of a Service, endpoints in the order of their addresses."""
    chosen = _behind(service, pods)
    labels = {**_labels(service), MANAGED_BY: SLICES_MANAGER, SERVICE_NAME: resources.name_of(service)}
    owner = {
        "apiVersion": "v1",
        "kind": "Service",
        "name": resources.name_of(service),
        "uid": resources.uid_of(service),
        "controller": True,
        "blockOwnerDeletion": True,
    }
    metadata = {"generateName": f"{resources.name_of(service)}-", "namespace": resources.namespace_of(service)}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**metadata, "labels": labels, "ownerReferences": [owner]},
        "addressType": "IPv4",
        "endpoints": [_endpoint(pod, service) for pod in chosen] or None,
        "ports": [{"name": "", **port} for port in _ports(service, chosen)] if chosen else None,
    }


def endpoints_of(service: Object, pods: Iterable[Object]) -> Object:
    """The Endpoints of a Service."""
    chosen = _behind(service, pods)
    staying = [pod for pod in chosen if not pod["metadata"].get("deletionTimestamp")]
    if _publishes_all(service):
        staying = chosen
    ready = [_address(pod, service) for pod in staying if is_ready(pod) or _publishes_all(service)]
    unready = [_address(pod, service) for pod in staying if not is_ready(pod) and not _publishes_all(service)]
    groups = {"addresses": ready, "notReadyAddresses": unready, "ports": _ports(service, chosen)}
    endpoints: Object = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            "name": resources.name_of(service),
            "namespace": resources.namespace_of(service),
            "labels": {**_labels(service), ENDPOINTS_MANAGED_BY: ENDPOINTS_MANAGER},
        },
    }
    if staying:
        endpoints["subsets"] = [{name: group for name, group in groups.items() if group}]
    return endpoints


def _labels(service: Object) -> dict[str, str]:
    labels = dict(resources.labels_of(service))
    return labels | ({HEADLESS: ""} if service["spec"].get("clusterIP") == "None" else {})


def _behind(service: Object, pods: Iterable[Object]) -> list[Object]:
    """The pods of a Service that have an address."""
    selector = service["spec"].get("selector")
    chosen = [p for p in pods if selects(selector, resources.labels_of(p)) and p.get("status", {}).get("podIP")]
    chosen = [p for p in chosen if p["status"].get("phase") not in ("Succeeded", "Failed")]
    return sorted(chosen, key=lambda pod: tuple(int(part) for part in pod["status"]["podIP"].split(".")))


def _target(pod: Object) -> Object:
    metadata = pod["metadata"]
    reference = {"kind": "Pod", "namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]}
    node = pod["spec"].get("nodeName")
    return {"targetRef": reference} | ({"nodeName": node} if node else {})


def _endpoint(pod: Object, service: Object) -> Object:
    ready, leaving = is_ready(pod), bool(pod["metadata"].get("deletionTimestamp"))
    is_published = _publishes_all(service) or (ready and not leaving)
    conditions = {"ready": is_published, "serving": ready, "terminating": leaving}
    return {"addresses": [pod["status"]["podIP"]], "conditions": conditions, **_named(pod, service), **_target(pod)}


def _address(pod: Object, service: Object) -> Object:
    return {"ip": pod["status"]["podIP"], **_named(pod, service), **_target(pod)}


def _publishes_all(service: Object) -> bool:
    """Whether pods that are not ready get traffic too."""
    return bool(service["spec"].get("publishNotReadyAddresses"))


def _named(pod: Object, service: Object) -> Object:
    """The name of a pod below its Service, as those of a StatefulSet have one."""
    spec = pod["spec"]
    is_below = spec.get("hostname") and spec.get("subdomain") == resources.name_of(service)
    return {"hostname": spec["hostname"]} if is_below else {}


def _ports(service: Object, pods: list[Object]) -> list[Object]:
    ports = []
    for port in service["spec"].get("ports") or []:
        number = _number(port, pods)
        if number is not None:
            entry = {"name": port.get("name"), "port": number, "protocol": port.get("protocol", "TCP")}
            entry["appProtocol"] = port.get("appProtocol")
            ports.append({key: value for key, value in entry.items() if value})
    return ports


def _number(port: Object, pods: list[Object]) -> int | None:
    """The target port; a name is looked up in the containers."""
    target: Any = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    listed = (p for pod in pods for c in pod["spec"]["containers"] for p in c.get("ports") or [])
    return next((p["containerPort"] for p in listed if p.get("name") == target), None)
