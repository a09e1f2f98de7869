"""A cluster's objects as the translator takes them: what istiod follows, read once."""

from dataclasses import replace
from typing import Any

import yaml

from labkit.clusters import capabilities
from labkit.install import istio
from labkit.kube import client, manifests, resources
from labkit.kube.resources import Object, Resource
from labkit.mesh.ambient import waypoints
from labkit.mesh.hosts import workloads as owners
from labkit.mesh.model import Proxy, Snapshot
from labkit.telemetry import workloads

HOSTS = (resources.NAMESPACES, resources.SERVICES, resources.ENDPOINT_SLICES, resources.PODS)
"""Kinds of Kubernetes' own that the hosts of a mesh are made of."""


def read(api: client.Client) -> Snapshot:
    """Everything in all namespaces; a kind that the cluster does not serve is empty."""
    kinds = (*HOSTS, *resources.ISTIO, *resources.GATEWAY_API, resources.GATEWAY_CLASSES)
    objects = {key_of(resource): _listed(api, resource) for resource in kinds}
    classes = objects[waypoints.CLASSES]
    is_ambient = any((c.get("spec") or {}).get("controllerName") == waypoints.CONTROLLER for c in classes)
    return Snapshot(objects=objects, mesh_config=mesh_config(api), is_ambient=is_ambient)


BESIDE = (resources.CONFIG_MAPS, resources.INGRESSES, resources.INGRESS_CLASSES)
"""Further kinds that istiod makes configuration of."""


def whole(api: client.Client) -> Snapshot:
    """All that istiod translates, as it is stored; of Secrets nothing is read."""
    snapshot = read(api)
    beside = {key_of(resource): _listed(api, resource) for resource in BESIDE}
    return replace(snapshot, objects={**snapshot.objects, **beside})


def proxy_of(pod: Object) -> Proxy:
    """The proxy of a pod, as istiod knows it."""
    containers = [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]
    words = next((c.get("args") or [] for c in containers if c["name"] == workloads.PROXY), [])
    return Proxy(
        name=resources.name_of(pod),
        namespace=resources.namespace_of(pod),
        role="router" if "router" in words else "waypoint" if "waypoint" in words else "sidecar",
        ip=str((pod.get("status") or {}).get("podIP", "")),
        labels=resources.labels_of(pod),
        service_account=pod["spec"].get("serviceAccountName", "default"),
        workload=owners.name_of(pod),
    )


HIDDEN = ("managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "annotations")
"""Metadata that nobody wrote."""


def text_of(obj: Object) -> str:
    """An object's YAML as somebody would write it: lines of fields are counted in it."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in HIDDEN}
    return manifests.dump({**{k: v for k, v in obj.items() if k != "status"}, "metadata": metadata})


def key_of(resource: Resource) -> str:
    """``peerauthentications.security.istio.io``."""
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def mesh_config(api: client.Client) -> dict[str, Any]:
    """What the mesh's ConfigMap says; empty where there is none."""
    config_map = capabilities.readable(api, resources.CONFIG_MAPS, "istio", istio.NAMESPACE)
    return yaml.safe_load(((config_map or {}).get("data") or {}).get("mesh") or "") or {}


def _listed(api: client.Client, resource: Resource) -> list[dict[str, Any]]:
    return [{"kind": resource.kind, "apiVersion": resource.api_version, **obj} for obj in api.visible(resource)]
