"""EndpointSlices: which pods stand behind each Service."""

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

from labkit.kube import api, informer, resources, status
from labkit.kube.resources import Object
from labkit.sandbox.controllers import queue
from labkit.sandbox.controllers.informers import Informers
from labkit.sandbox.controllers.workloads import is_ready

MANAGED_BY = "endpointslice-controller.k8s.io"


class Slices:
    """Keeps one slice for each Service with a selector."""

    def __init__(self, client: api.Api, informers: Informers) -> None:
        self._client = client
        self._services = informers.of(resources.SERVICES)
        self._pods = informers.of(resources.PODS)
        self._slices = informers.of(resources.ENDPOINT_SLICES)
        self.queue = queue.Queue(self._sync, name="endpointslice")
        self._services.on_change(lambda old, new: self.queue.add(informer.key_of(new or old or {})))
        self._pods.on_change(self._pod_changed)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        for pod in (old, new):
            if pod is None:
                continue
            labels = resources.labels_of(pod)
            for service in self._services.all(resources.namespace_of(pod)):
                if selects(service["spec"].get("selector"), labels):
                    self.queue.add(informer.key_of(service))

    async def _sync(self, key: informer.Key) -> None:
        service = self._services.cache.get(key)
        existing = [
            s
            for s in self._slices.all(key[0])
            if resources.labels_of(s).get("kubernetes.io/service-name") == key[1]
            and resources.labels_of(s).get("endpointslice.kubernetes.io/managed-by") == MANAGED_BY
        ]
        if service is None:
            for found in existing:
                with contextlib.suppress(status.NotFound):
                    await self._client.delete(resources.ENDPOINT_SLICES, resources.name_of(found), key[0])
            return
        if not service["spec"].get("selector"):
            return
        wanted = slice_of(service, self._pods.all(key[0]))
        if not existing:
            await self._client.create(resources.ENDPOINT_SLICES, wanted, manager="kube-controller-manager")
        elif _differs(wanted, existing[0]):
            old = existing[0]["metadata"]
            name = {"name": old["name"], "resourceVersion": old["resourceVersion"]}
            metadata = {**{k: v for k, v in wanted["metadata"].items() if k != "generateName"}, **name}
            await self._client.replace(
                resources.ENDPOINT_SLICES, {**wanted, "metadata": metadata}, manager="kube-controller-manager"
            )


def _differs(wanted: Object, found: Object) -> bool:
    return any((wanted.get(k) or []) != (found.get(k) or []) for k in ("endpoints", "ports"))


def selects(selector: Mapping[str, str] | None, labels: Mapping[str, str]) -> bool:
    """Whether a Service's selector fits; an absent one fits nothing."""
    return bool(selector) and all(labels.get(k) == v for k, v in (selector or {}).items())


def slice_of(service: Object, pods: Iterable[Object]) -> Object:
    """The slice of a Service, endpoints in the order of their addresses."""
    selector = service["spec"].get("selector")
    chosen = [p for p in pods if selects(selector, resources.labels_of(p)) and p.get("status", {}).get("podIP")]
    chosen = [p for p in chosen if p["status"].get("phase") not in ("Succeeded", "Failed")]
    chosen.sort(key=lambda p: tuple(int(x) for x in p["status"]["podIP"].split(".")))
    labels = {
        **resources.labels_of(service),
        "endpointslice.kubernetes.io/managed-by": MANAGED_BY,
        "kubernetes.io/service-name": resources.name_of(service),
    }
    if service["spec"].get("clusterIP") == "None":
        labels["service.kubernetes.io/headless"] = ""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": f"{resources.name_of(service)}-",
            "namespace": resources.namespace_of(service),
            "labels": labels,
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "name": resources.name_of(service),
                    "uid": resources.uid_of(service),
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "addressType": "IPv4",
        "endpoints": [_endpoint(p) for p in chosen],
        "ports": [found for p in service["spec"].get("ports") or [] if (found := _port(p, chosen))],
    }


def _endpoint(pod: Object) -> Object:
    ready = is_ready(pod)
    leaving = bool(pod["metadata"].get("deletionTimestamp"))
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready and not leaving, "serving": ready, "terminating": leaving},
        "nodeName": pod["spec"].get("nodeName", ""),
        "targetRef": {
            "kind": "Pod",
            "name": resources.name_of(pod),
            "namespace": resources.namespace_of(pod),
            "uid": resources.uid_of(pod),
        },
    }


def _port(port: Object, pods: list[Object]) -> Object | None:
    target: Any = port.get("targetPort", port["port"])
    if isinstance(target, str):
        named = [
            p["containerPort"]
            for pod in pods
            for c in pod["spec"]["containers"]
            for p in c.get("ports") or []
            if p.get("name") == target
        ]
        if not named:
            return None
        target = named[0]
    found = {"name": port.get("name", ""), "port": target, "protocol": port.get("protocol", "TCP")}
    return found | ({"appProtocol": port["appProtocol"]} if port.get("appProtocol") else {})
