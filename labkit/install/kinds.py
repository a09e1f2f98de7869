"""Objects of manifests, applied in the order that lets each find what it needs."""

import json
from collections.abc import Iterable

from labkit.base import errors, waiting
from labkit.kube import client, marks, resources
from labkit.kube.resources import Object

_RESOURCES = {(r.api_version, r.kind): r for r in vars(resources).values() if isinstance(r, resources.Resource)}


def resource_of(api: client.Client, obj: Object) -> resources.Resource:
    """The resource of an object's kind; kinds we do not know are asked of the server."""
    key = obj["apiVersion"], obj["kind"]
    if key not in _RESOURCES:
        for entry in _served(api, obj["apiVersion"]):
            if entry["kind"] == obj["kind"] and "/" not in entry["name"]:
                _RESOURCES[key] = resources.Resource(
                    api_version=key[0], kind=key[1], plural=entry["name"], namespaced=entry["namespaced"]
                )
                return _RESOURCES[key]
        raise errors.ManifestError(
            f"{obj['kind']} {resources.name_of(obj)}",
            problem=f"this cluster serves no {key[1]} in {key[0]}",
            next_step="check apiVersion and kind (kubectl api-resources); Istio's kinds come with its installation",
        )
    return _RESOURCES[key]


def _served(api: client.Client, api_version: str) -> list[Object]:
    path = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    code, _, body = api.raw("GET", path)
    served: list[Object] = json.loads(body).get("resources", []) if code == 200 else []
    return served


LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""Where ``kubectl apply`` remembers what it applied."""


def apply_all(api: client.Client, objects: Iterable[Object], *, namespace: str = "", as_kubectl: bool = False) -> None:
    """Server-side apply of every object; one without a namespace goes into ``namespace``.

    With ``as_kubectl`` a later ``kubectl apply`` finds what it would have remembered, and does not warn.
    """
    for obj in objects:
        resource = resource_of(api, obj)
        placed = marks.marked(obj)
        if resource.namespaced and namespace and not resources.namespace_of(obj):
            placed["metadata"]["namespace"] = namespace
        api.apply(resource, remembered(placed) if as_kubectl else placed)


def remembered(obj: Object) -> Object:
    """The object with the annotation by which ``kubectl apply`` knows what it applied last."""
    text = json.dumps(obj, separators=(",", ":"), sort_keys=True) + "\n"
    annotations = {**resources.annotations_of(obj), LAST_APPLIED: text}
    return {**obj, "metadata": {**obj["metadata"], "annotations": annotations}}


def until_rolled_out(api: client.Client, names: Iterable[str], namespace: str, *, timeout: float) -> None:
    """Wait until every Deployment has all its pods ready; NotReadyError says how far it got."""
    for name in names:
        waiting.until(
            lambda name=name: _rollout(api, name, namespace),  # type: ignore[misc]
            what=f"Deployment {namespace}/{name}",
            timeout=timeout,
            next_step=f"kubectl -n {namespace} describe pods -l app={name.rsplit('-v', 1)[0]}",
            every=0.02,
            show=lambda _, name=name: _progress(api, name, namespace),  # type: ignore[misc]
        )


def _rollout(api: client.Client, name: str, namespace: str) -> bool:
    deployment = api.find(resources.DEPLOYMENTS, name, namespace)
    if deployment is None:
        return False
    replicas, state = deployment["spec"].get("replicas", 1), deployment.get("status", {})
    seen = state.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 1)
    numbers = [state.get(k, 0) for k in ("updatedReplicas", "availableReplicas", "replicas")]
    return seen and all(n == replicas for n in numbers)


def _progress(api: client.Client, name: str, namespace: str) -> str:
    deployment = api.find(resources.DEPLOYMENTS, name, namespace)
    if deployment is None:
        return "there is no such Deployment"
    state = deployment.get("status", {})
    return f"{state.get('availableReplicas', 0)} of {deployment['spec'].get('replicas', 1)} pods ready"
