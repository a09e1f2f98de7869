"""Bookinfo: four services, six pods, and a sidecar in each."""

from labkit.base import errors, settings
from labkit.install import istio, kinds, ownership, ports
from labkit.kube import client, manifests, resources, status
from labkit.kube.resources import Object

MANIFEST = settings.CHECKOUT / "notebooks" / "manifests" / "bookinfo.yaml"
DEPLOYMENTS = ("productpage-v1", "details-v1", "ratings-v1", "reviews-v1", "reviews-v2", "reviews-v3")
TIMEOUT = 120.0
"""Seconds; a sandbox takes one, a cluster that pulls images a minute."""


def objects() -> list[Object]:
    """Its Services, ServiceAccounts and Deployments."""
    return manifests.read(MANIFEST)


def label_namespace(api: client.Client, namespace: str) -> None:
    """``kubectl label namespace NAME istio-injection=enabled``, unless it injects already; made if it is not there."""
    live = api.find(resources.NAMESPACES, namespace)
    if live is None:
        kinds.apply_all(api, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}])
    labels = resources.labels_of(live or {})
    if labels.get("istio-injection") == "enabled" or "istio.io/rev" in labels:
        return
    body = {"metadata": {"labels": {"istio-injection": "enabled"}}}
    try:
        api.patch(resources.NAMESPACES, namespace, None, body)
    except status.StatusError as e:
        if e.code != 403:
            raise
        raise errors.SetupError(
            f"Namespace {namespace} has no label istio-injection=enabled, and you may not label it.",
            next_step=f"ask its owner for this: kubectl label namespace {namespace} istio-injection=enabled",
        ) from e


def deploy(api: client.Client, namespace: str, *, on_step: istio.OnStep = lambda _: None) -> None:
    """Label the namespace, apply Bookinfo and wait for its pods; safe to repeat."""
    ports.require(api, objects(), wanted_for="Bookinfo")
    on_step(f"kubectl label namespace {namespace} istio-injection=enabled")
    label_namespace(api, namespace)
    on_step(f"kubectl apply -n {namespace} -f manifests/bookinfo.yaml")
    if names := ownership.apply(api, objects(), namespace=namespace):
        on_step(ownership.left_alone(names))
    kinds.until_rolled_out(api, DEPLOYMENTS, namespace, timeout=TIMEOUT)


def remove(api: client.Client, namespace: str) -> None:
    """Delete what ``deploy`` made, and nothing else."""
    for obj in ownership.divide(api, objects(), namespace=namespace).ours:
        api.delete(kinds.resource_of(api, obj), resources.name_of(obj), namespace)
