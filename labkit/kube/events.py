"""Events, as ``kubectl describe`` shows them."""

import contextlib
import time

from labkit.kube import api, resources, status, times
from labkit.kube.resources import Object

LONGEST = 1024
"""Characters of a message that the API takes."""


def event(
    about: Object, *, component: str, reason: str, message: str, type: str = "Normal", host: str = "", path: str = ""
) -> Object:
    """One Event; ``path`` names a part of the object, such as ``spec.containers{app}``."""
    moment, metadata = times.now(), about["metadata"]
    involved = {
        "apiVersion": about["apiVersion"],
        "kind": about["kind"],
        "name": metadata["name"],
        "namespace": metadata.get("namespace", ""),
        "uid": metadata.get("uid", ""),
        "resourceVersion": metadata.get("resourceVersion", ""),
        "fieldPath": path,
    }
    return {
        "apiVersion": "v1",
        "kind": "Event",
        # As the real ones: the time in the name makes a list of events come in their order.
        "metadata": {"name": f"{metadata['name']}.{time.time_ns():x}", "namespace": place(about)},
        "involvedObject": {key: value for key, value in involved.items() if value},
        "reason": reason,
        "message": message[:LONGEST],
        "source": {"component": component} | ({"host": host} if host else {}),
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
        "type": type,
        "reportingComponent": component,
        "reportingInstance": host,
    }


def place(about: Object) -> str:
    """The namespace of an object's Events."""
    return resources.namespace_of(about) or "default"


async def record(
    client: api.Api, about: Object, *, component: str, reason: str, message: str, type: str = "Normal"
) -> None:
    """Write one Event; losing it is no failure."""
    body = event(about, component=component, reason=reason, message=message, type=type)
    with contextlib.suppress(status.StatusError, OSError):
        await client.create(resources.EVENTS, body, manager=component)
