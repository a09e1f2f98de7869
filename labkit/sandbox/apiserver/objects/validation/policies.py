"""Rules for autoscalers, disruption budgets and priorities."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.validation import causes, checks, gonames
from labkit.sandbox.apiserver.objects.validation.causes import Cause
from labkit.sandbox.apiserver.objects.validation.checks import amount, up_to_all

HIGHEST_USER_PRIORITY = 1_000_000_000
SYSTEM_PRIORITIES = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}
_METRICS = ("ContainerResource", "External", "Object", "Pods", "Resource")

FIELDS: Mapping[str, Mapping[str, tuple[checks.Check, ...]]] = {
    "PodDisruptionBudgetSpec": {
        "minAvailable": (amount, up_to_all),
        "maxUnavailable": (amount, up_to_all),
        "selector": (checks.selector,),
    },
}
STRUCTS: Mapping[str, Callable[[Any, str], Iterator[Cause]]] = {}


def _autoscaler(autoscaler: Object) -> Iterator[Cause]:
    spec = autoscaler["spec"]
    target, low, high = spec.get("scaleTargetRef") or {}, spec.get("minReplicas"), spec.get("maxReplicas") or 0
    if low is not None and low < 1:
        yield causes.wrong("spec.minReplicas", low, "must be greater than or equal to 1")
    if high < 1:
        yield causes.required("spec.maxReplicas", "must be set and greater than 0")
    if low is not None and high < low:
        yield causes.wrong("spec.maxReplicas", high, "must be greater than or equal to `minReplicas`")
    for field in ("kind", "name"):
        if not target.get(field):
            yield causes.required(f"spec.scaleTargetRef.{field}")
    if not target.get("apiVersion"):
        yield causes.wrong("spec.scaleTargetRef.apiVersion", "", "apiVersion must specify API group")
    for at, metric in enumerate(spec.get("metrics") or ()):
        yield from _metric(metric, f"spec.metrics[{at}]")


def _metric(metric: Object, path: str) -> Iterator[Cause]:
    kind = metric.get("type")
    if kind not in _METRICS:
        # A real server looks at the type twice.
        yield causes.unsupported(f"{path}.type", kind or "", _METRICS)
        yield causes.unsupported(f"{path}.type", kind or "", _METRICS)
        return
    source = kind[0].lower() + kind[1:]
    found = metric.get(source)
    if found is None:
        yield causes.required(f"{path}.{source}", "must populate information for the given metric source")
        return
    target = found.get("target") or {}
    if kind in ("Resource", "ContainerResource"):
        if target.get("averageUtilization") is None and target.get("averageValue") is None:
            detail = "must set either a target raw value or a target utilization"
            yield causes.required(f"{path}.{source}.target.averageUtilization", detail)
    elif kind == "Pods" and target.get("averageValue") is None:
        yield causes.required(f"{path}.{source}.target.averageValue", "must specify a positive target averageValue")


def _budget(budget: Object) -> Iterator[Cause]:
    spec = budget.get("spec") or {}
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        shown = gonames.internal("PodDisruptionBudgetSpec", spec)
        yield causes.wrong("spec", shown, "minAvailable and maxUnavailable cannot be both set")


def _priority(found: Object) -> Iterator[Cause]:
    name, value = found["metadata"].get("name") or "", found.get("value") or 0
    if name.startswith("system-"):
        if SYSTEM_PRIORITIES.get(name) != value:
            detail = (
                "priority class names with 'system-' prefix are reserved for system use only."
                f" error: {name} is not a known system priority class"
            )
            yield causes.forbidden("metadata.name", detail)
    elif value > HIGHEST_USER_PRIORITY:
        detail = f"maximum allowed value of a user defined priority is {HIGHEST_USER_PRIORITY}"
        yield causes.forbidden("value", detail)


KINDS: Mapping[str, Callable[[Object], Iterator[Cause]]] = {
    "autoscaling/HorizontalPodAutoscaler": _autoscaler,
    "policy/PodDisruptionBudget": _budget,
    "scheduling.k8s.io/PriorityClass": _priority,
}
