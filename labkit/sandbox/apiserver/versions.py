"""The same object in another version of its API."""

from collections.abc import Callable
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import defaults
from labkit.sandbox.apiserver.registry import Served
from labkit.sandbox.apiserver.store import Item

_EVENT_NAMES = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
_EVENT_BACK = {new: old for old, new in _EVENT_NAMES.items()}


def shown(item: Item, served: Served) -> Item:
    """A stored object as one version of its resource shows it; converted once and shared."""
    if item.object["apiVersion"] == served.api_version and not served.fills_in:
        return item
    converted: Item | None = item.cache.get(served)
    if converted is None:
        obj = to_version(item.object, served)
        if served.fills_in:
            # What was stored before its definition got a default has it from then on.
            obj = defaults.with_defaults(served.schema, obj)
        converted = item.cache[served] = item if obj == item.object else Item(obj, item.version)
    return converted


def to_version(obj: Object, served: Served) -> Object:
    """An object in the version of ``served``; a CRD's versions differ in their name alone."""
    before, after = obj.get("apiVersion", ""), served.api_version
    if before == after:
        return obj
    convert = _CONVERSIONS.get((before, after))
    changed = convert(obj) if convert else obj
    head = {"apiVersion": after, "kind": served.kind} if served.crd else {"kind": served.kind, "apiVersion": after}
    metadata = changed["metadata"]
    return head | {k: v for k, v in changed.items() if k not in head} | {"metadata": metadata}


def _event_to_new(obj: Object) -> Object:
    silent = [key for key in ("reportingComponent", "reportingInstance") if not obj.get(key)]
    event = {_EVENT_NAMES.get(key, key): value for key, value in obj.items() if key not in silent}
    return event | {"eventTime": obj.get("eventTime")}


def _event_to_core(obj: Object) -> Object:
    event = {_EVENT_BACK.get(key, key): value for key, value in obj.items()}
    event.setdefault("involvedObject", {})
    event.setdefault("source", {})
    return event | {"firstTimestamp": event.get("firstTimestamp"), "lastTimestamp": event.get("lastTimestamp")}


def _autoscaler_to_v1(obj: Object) -> Object:
    spec = dict(obj.get("spec") or {})
    metrics = spec.pop("metrics", None) or []
    cpu = next((m for m in metrics if (m.get("resource") or {}).get("name") == "cpu"), None)
    if cpu:
        target = cpu["resource"].get("target", {})
        spec["targetCPUUtilizationPercentage"] = target.get("averageUtilization")
    spec.pop("behavior", None)
    status = {k: v for k, v in (obj.get("status") or {}).items() if k not in ("conditions", "currentMetrics")}
    return {**obj, "spec": spec, "status": {"currentReplicas": 0, "desiredReplicas": 0} | status}


def _autoscaler_to_v2(obj: Object) -> Object:
    spec = dict(obj.get("spec") or {})
    percent = spec.pop("targetCPUUtilizationPercentage", None)
    if percent is not None:
        target = {"type": "Utilization", "averageUtilization": percent}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    status = {k: v for k, v in (obj.get("status") or {}).items() if k != "currentCPUUtilizationPercentage"}
    return {**obj, "spec": spec, "status": {"desiredReplicas": 0, "currentMetrics": None} | status}


_CONVERSIONS: dict[tuple[str, str], Callable[[Any], Object]] = {
    ("v1", "events.k8s.io/v1"): _event_to_new,
    ("events.k8s.io/v1", "v1"): _event_to_core,
    ("autoscaling/v2", "autoscaling/v1"): _autoscaler_to_v1,
    ("autoscaling/v1", "autoscaling/v2"): _autoscaler_to_v2,
}
