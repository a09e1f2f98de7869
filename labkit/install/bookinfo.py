"""Bookinfo: four services, six pods, and a sidecar in each unless ambient mode is asked for."""

from labkit.base import settings
from labkit.install import dataplane, istio, kinds, ownership, ports
from labkit.kube import client, manifests, resources
from labkit.kube.resources import Object

MANIFEST = settings.CHECKOUT / "notebooks" / "manifests" / "bookinfo.yaml"
DEPLOYMENTS = ("productpage-v1", "details-v1", "ratings-v1", "reviews-v1", "reviews-v2", "reviews-v3")
TIMEOUT = 120.0
"""Seconds; a sandbox takes one, a cluster that pulls images a minute."""


def objects() -> list[Object]:
    """Its Services, ServiceAccounts and Deployments."""
    return manifests.read(MANIFEST)


def deploy(
    api: client.Client,
    namespace: str,
    *,
    mode: str = dataplane.SIDECARS,
    on_step: istio.OnStep = lambda _: None,
) -> None:
    """Label the namespace, apply Bookinfo and wait for its pods, which are in the mesh as ``mode`` says; repeatable."""
    ports.require(api, objects(), wanted_for="Bookinfo")
    on_step(f"kubectl label namespace {namespace} {dataplane.words(mode)}")
    dataplane.label(api, namespace, mode)
    on_step(f"kubectl apply -n {namespace} -f manifests/bookinfo.yaml")
    if names := ownership.apply(api, objects(), namespace=namespace):
        on_step(ownership.left_alone(names))
    kinds.until_rolled_out(api, DEPLOYMENTS, namespace, timeout=TIMEOUT)
    dataplane.ensure(api, namespace, mode, on_step=on_step)


def remove(api: client.Client, namespace: str) -> None:
    """Delete what ``deploy`` made, and nothing else."""
    for obj in ownership.divide(api, objects(), namespace=namespace).ours:
        api.delete(kinds.resource_of(api, obj), resources.name_of(obj), namespace)
