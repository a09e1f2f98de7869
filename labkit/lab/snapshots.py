"""A cluster's objects as the translator takes them: what istiod follows, read once."""

from typing import Any

import yaml

from labkit.clusters import capabilities
from labkit.install import istio
from labkit.kube import client, resources
from labkit.kube.resources import Resource
from labkit.mesh.ambient import waypoints
from labkit.mesh.model import Snapshot

HOSTS = (resources.NAMESPACES, resources.SERVICES, resources.ENDPOINT_SLICES, resources.PODS)
"""Kinds of Kubernetes' own that the hosts of a mesh are made of."""


def read(api: client.Client) -> Snapshot:
    """Everything in all namespaces; a kind that the cluster does not serve is empty."""
    kinds = (*HOSTS, *resources.ISTIO, *resources.GATEWAY_API, resources.GATEWAY_CLASSES)
    objects = {key_of(resource): _listed(api, resource) for resource in kinds}
    classes = objects[waypoints.CLASSES]
    is_ambient = any((c.get("spec") or {}).get("controllerName") == waypoints.CONTROLLER for c in classes)
    return Snapshot(objects=objects, mesh_config=mesh_config(api), is_ambient=is_ambient)


def key_of(resource: Resource) -> str:
    """``peerauthentications.security.istio.io``."""
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def mesh_config(api: client.Client) -> dict[str, Any]:
    """What the mesh's ConfigMap says; empty where there is none."""
    config_map = capabilities.readable(api, resources.CONFIG_MAPS, "istio", istio.NAMESPACE)
    return yaml.safe_load(((config_map or {}).get("data") or {}).get("mesh") or "") or {}


def _listed(api: client.Client, resource: Resource) -> list[dict[str, Any]]:
    return [{"kind": resource.kind, "apiVersion": resource.api_version, **obj} for obj in api.visible(resource)]
