"""What the status of an object may say."""

from collections.abc import Callable, Iterator, Mapping

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.schemas import Schema
from labkit.sandbox.apiserver.objects.validation import causes, names
from labkit.sandbox.apiserver.objects.validation.causes import Cause

Rule = Callable[[Object, Object], Iterator[Cause]]
"""Judges a new object beside the old one."""


def problems(schema: Schema, new: Object, old: Object) -> Iterator[Cause]:
    """What is wrong with a status that was written through its subresource."""
    if rule := _RULES.get(f"{schema.group}/{schema.kind}"):
        yield from rule(new, old)


def _counts(*fields: str, parts: tuple[str, ...] = (), ready: str = "readyReplicas") -> Rule:
    """Numbers that are not negative; ``parts`` are no more than all, and those available no more than those ready."""

    def rule(new: Object, old: Object) -> Iterator[Cause]:
        status, before = new.get("status") or {}, old.get("status") or {}
        for field in fields:
            if (status.get(field) or 0) < 0:
                yield causes.wrong(f"status.{field}", status[field], "must be greater than or equal to 0")
        for part in parts:
            if (status.get(part) or 0) > (status.get("replicas") or 0):
                yield causes.wrong(f"status.{part}", status[part], "cannot be greater than status.replicas")
        if (status.get("availableReplicas") or 0) > (status.get("readyReplicas") or 0):
            yield causes.wrong(
                "status.availableReplicas", status["availableReplicas"], f"cannot be greater than {ready}"
            )
        collisions, earlier = status.get("collisionCount"), before.get("collisionCount")
        if earlier is not None and (collisions or 0) < earlier:
            yield causes.wrong("status.collisionCount", collisions or 0, "cannot be decremented")

    return rule


def _job(new: Object, old: Object) -> Iterator[Cause]:
    indexes = (new.get("status") or {}).get("completedIndexes")
    if indexes and new["spec"].get("completionMode") != "Indexed":
        detail = "cannot set non-empty completedIndexes when non-indexed completion mode"
        yield causes.wrong("status.completedIndexes", indexes, detail)
    started, before = ((obj.get("status") or {}).get("startTime") for obj in (new, old))
    if before and started != before and not new["spec"].get("suspend"):
        yield causes.wrong("status.startTime", started, "field is immutable for unsuspended job once set")


def _ingress(new: Object, old: Object) -> Iterator[Cause]:
    for at, ingress in enumerate(_balanced(new)):
        here = f"status.loadBalancer.ingress[{at}]"
        if ingress.get("ip"):
            for problem in names.ip(ingress["ip"]):
                yield causes.wrong(f"{here}.ip", ingress["ip"], problem)
        if ingress.get("hostname"):
            for problem in names.subdomain(ingress["hostname"]):
                yield causes.wrong(f"{here}.hostname", ingress["hostname"], problem)


def _service(new: Object, old: Object) -> Iterator[Cause]:
    if _balanced(new) and new["spec"].get("type") != "LoadBalancer":
        detail = "may only be used when `spec.type` is 'LoadBalancer'"
        yield causes.forbidden("status.loadBalancer.ingress", detail)
        return
    for at, ingress in enumerate(_balanced(new)):
        here, mode = f"status.loadBalancer.ingress[{at}]", ingress.get("ipMode")
        if ingress.get("ip"):
            for problem in names.ip(ingress["ip"]):
                yield causes.wrong(f"{here}.ip", ingress["ip"], problem)
            if mode is None:
                yield causes.required(f"{here}.ipMode", "must be specified when `ip` is set")
        elif mode is not None:
            yield causes.forbidden(f"{here}.ipMode", "may not be specified when `ip` is not set")
        if mode is not None and mode not in ("Proxy", "VIP"):
            yield causes.unsupported(f"{here}.ipMode", mode, ("Proxy", "VIP"))
        if ingress.get("hostname"):
            for problem in names.subdomain(ingress["hostname"]):
                yield causes.wrong(f"{here}.hostname", ingress["hostname"], problem)


def _balanced(obj: Object) -> list[Object]:
    balancer = (obj.get("status") or {}).get("loadBalancer") or {}
    return balancer.get("ingress") or []


_REPLICAS = _counts(
    *("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration"),
    "terminatingReplicas",
    parts=("fullyLabeledReplicas", "readyReplicas", "availableReplicas"),
)

_RULES: Mapping[str, Rule] = {
    "apps/Deployment": _counts(
        *("observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas"),
        *("unavailableReplicas", "terminatingReplicas"),
        parts=("updatedReplicas", "readyReplicas", "availableReplicas"),
    ),
    "apps/ReplicaSet": _REPLICAS,
    "/ReplicationController": _REPLICAS,
    "apps/StatefulSet": _counts(
        *("replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "observedGeneration", "availableReplicas"),
        parts=("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"),
        ready="status.readyReplicas",
    ),
    "batch/Job": _job,
    "networking.k8s.io/Ingress": _ingress,
    "/Service": _service,
}
