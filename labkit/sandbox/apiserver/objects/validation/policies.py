"""Rules for disruption budgets and priorities."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.validation import causes, checks, gonames
from labkit.sandbox.apiserver.objects.validation.causes import Cause
from labkit.sandbox.apiserver.objects.validation.checks import amount, up_to_all

HIGHEST_USER_PRIORITY = 1_000_000_000
SYSTEM_PRIORITIES = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}

FIELDS: Mapping[str, Mapping[str, tuple[checks.Check, ...]]] = {
    "PodDisruptionBudgetSpec": {
        "minAvailable": (amount, up_to_all),
        "maxUnavailable": (amount, up_to_all),
        "selector": (checks.selector,),
        "unhealthyPodEvictionPolicy": (checks.word("AlwaysAllow", "IfHealthyBudget"),),
    },
}
STRUCTS: Mapping[str, Callable[[Any, str], Iterator[Cause]]] = {}


def _budget(budget: Object) -> Iterator[Cause]:
    spec = budget.get("spec") or {}
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        shown = gonames.internal("PodDisruptionBudgetSpec", spec)
        yield causes.wrong("spec", shown, "minAvailable and maxUnavailable cannot be both set")


def _priority(priority_class: Object) -> Iterator[Cause]:
    name, value = priority_class["metadata"].get("name") or "", priority_class.get("value") or 0
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
    if priority_class.get("preemptionPolicy") is not None:
        check = checks.needed_one_of("PreemptLowerPriority", "Never")
        yield from check(priority_class["preemptionPolicy"], "preemptionPolicy")


KINDS: Mapping[str, Callable[[Object], Iterator[Cause]]] = {
    "policy/PodDisruptionBudget": _budget,
    "scheduling.k8s.io/PriorityClass": _priority,
}
