"""Events, as ``kubectl describe`` shows them."""

import contextlib
import datetime
import secrets

from labkit.kube import api, resources, status
from labkit.kube.resources import Object


def now() -> str:
    """The time as objects carry it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def record(
    client: api.Api, about: Object, *, component: str, reason: str, message: str, type: str = "Normal"
) -> None:
    """Write one Event; losing it is no failure."""
    moment = now()
    name = resources.name_of(about)
    namespace = resources.namespace_of(about) or "default"
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{name}.{secrets.token_hex(8)}", "namespace": namespace},
        "involvedObject": {
            "apiVersion": about["apiVersion"],
            "kind": about["kind"],
            "name": name,
            "namespace": resources.namespace_of(about),
            "uid": resources.uid_of(about),
            "resourceVersion": about["metadata"].get("resourceVersion", ""),
        },
        "reason": reason,
        "message": message,
        "source": {"component": component},
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
        "type": type,
        "reportingComponent": component,
        "reportingInstance": "",
    }
    with contextlib.suppress(status.StatusError, OSError):
        await client.create(resources.EVENTS, event, manager=component)
