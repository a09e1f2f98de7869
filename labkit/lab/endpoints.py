"""A Service is as it should be once its endpoints are: what its selector and its ports ask for, in its slices."""

import time
from collections.abc import Iterable

from labkit.kube import client, resources, status
from labkit.kube.resources import Object

SERVICE_NAME = "kubernetes.io/service-name"
WAIT = 5.0
"""Seconds; a controller takes some milliseconds, and what it has not done by then waiting does not cure."""

Endpoint = tuple[str, object]
"""An address and a port number."""


def until_listed(api: client.Client, services: Iterable[tuple[str, str]]) -> None:
    """Wait until the slices of these Services, by namespace and name, say what they should."""
    deadline = time.monotonic() + WAIT
    for namespace, name in services:
        while not _is_listed(api, namespace, name) and time.monotonic() < deadline:
            time.sleep(0.02)


def services_of(api: client.Client, deployments: Iterable[str], namespace: str) -> list[Object]:
    """The Services that lead to the pods of these Deployments."""
    live = [api.get(resources.DEPLOYMENTS, name, namespace) for name in deployments]
    labels = [resources.labels_of(deployment["spec"]["template"]) for deployment in live]
    return [
        {**service, "kind": "Service"}
        for service in api.list(resources.SERVICES, namespace)
        if (selector := service["spec"].get("selector")) and any(selector.items() <= own.items() for own in labels)
    ]


def objects_behind(api: client.Client, services: Iterable[tuple[str, str]]) -> list[Object]:
    """These Services and their slices, as stored: each new version of one is a push of endpoints."""
    behind = []
    for namespace, name in services:
        behind += slices_of(api, namespace, name) or []
        if (service := api.find(resources.SERVICES, name, namespace)) is not None:
            behind.append({**service, "kind": "Service"})
    return behind


def slices_of(api: client.Client, namespace: str, name: str) -> list[Object] | None:
    """The slices of a Service; None where this user may not read them."""
    try:
        return api.list(resources.ENDPOINT_SLICES, namespace, labels=f"{SERVICE_NAME}={name}")
    except status.StatusError as e:
        if e.code != 403:
            raise
        return None


def _is_listed(api: client.Client, namespace: str, name: str) -> bool:
    service = api.find(resources.SERVICES, name, namespace)
    if service is None or not service["spec"].get("selector"):
        return True
    slices = slices_of(api, namespace, name)
    if slices is None:
        return True
    asked, served = expected(service, api.list(resources.PODS, namespace)), listed(slices)
    if any(number is None for _, number in asked):
        return {address for address, _ in asked} == {address for address, _ in served}
    return asked == served


def expected(service: Object, pods: Iterable[Object]) -> set[Endpoint]:
    """What the Service asks for; a port that pods know by name stands as None."""
    selector = service["spec"]["selector"].items()
    chosen = [pod for pod in pods if selector <= resources.labels_of(pod).items() and _is_ready(pod)]
    targets = [port.get("targetPort", port["port"]) for port in service["spec"].get("ports") or []]
    numbers = {None if isinstance(target, str) else target for target in targets}
    return {(pod["status"]["podIP"], number) for pod in chosen for number in numbers}


def listed(slices: Iterable[Object]) -> set[Endpoint]:
    """What the slices say."""
    return {
        (address, port.get("port"))
        for s in slices
        for endpoint in s.get("endpoints") or []
        if (endpoint.get("conditions") or {}).get("ready", True)
        for address in endpoint["addresses"]
        for port in s.get("ports") or []
    }


def _is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions") or []
    is_going = "deletionTimestamp" in pod["metadata"]
    return not is_going and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
