"""What a HorizontalPodAutoscaler does where no metrics are served: pure decisions, in the words of the real one."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from labkit.kube import resources
from labkit.kube.resources import Object

ABLE, ACTIVE = "AbleToScale", "ScalingActive"
NO_RESOURCE_API = (
    "unable to fetch metrics from resource metrics API: the server could not find the requested resource"
    " (get pods.metrics.k8s.io)"
)
NO_CUSTOM_API = (
    "unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered"
)

Event = tuple[str, str, str]
"""Type, reason, message."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do, and what to say."""

    size: int | None = None
    """Replicas that the target should have; None leaves it alone."""

    status: Object
    """The new status, its conditions without times."""

    events: tuple[Event, ...] = field(default=())


def unscalable(autoscaler: Object, error: str) -> Plan:
    """For a target that has no scale to read."""
    text = f"the HPA controller was unable to get the target's current scale: {error}"
    status = _status(autoscaler, [(ABLE, "False", "FailedGetScale", text)])
    return Plan(status=status, events=(("Warning", "FailedGetScale", error),))


def plan(autoscaler: Object, current: int, others: Sequence[str] = (), *, selector: str = "") -> Plan:
    """The next step for a target of so many replicas with this selector; ``others`` are autoscalers of it too."""
    spec = autoscaler["spec"]
    least, most = spec.get("minReplicas", 1), spec["maxReplicas"]
    able = (ABLE, "True", "SucceededGetScale", "the HPA controller was able to get the target's current scale")
    if current == 0:
        text = "scaling is disabled since the replica count of the target is zero"
        status = _status(autoscaler, [able, (ACTIVE, "False", "ScalingDisabled", text)])
        return Plan(status=status | {"currentReplicas": 0, "desiredReplicas": 0})
    if current > most:
        return _rescaled(autoscaler, current, most, "Current number of replicas above Spec.MaxReplicas")
    if current < least:
        return _rescaled(autoscaler, current, least, "Current number of replicas below Spec.MinReplicas")
    if others:
        return _ambiguous(autoscaler, current, able, others, selector)
    return _blind(autoscaler, current, able)


def _rescaled(autoscaler: Object, current: int, size: int, reason: str) -> Plan:
    text = f"the HPA controller was able to update the target scale to {size}"
    status = _status(autoscaler, [(ABLE, "True", "SucceededRescale", text)])
    status |= {"currentReplicas": current, "desiredReplicas": size, "currentMetrics": None}
    event = "Normal", "SuccessfulRescale", f"New size: {size}; reason: {reason}"
    return Plan(size=size, status=status, events=(event,))


def _ambiguous(
    autoscaler: Object, current: int, able: tuple[str, str, str, str], others: Sequence[str], selector: str
) -> Plan:
    names = [resources.name_of(autoscaler), *others]
    listed = " ".join(sorted(f"{resources.namespace_of(autoscaler)}/{name}" for name in names))
    text = f"pods by selector {selector} are controlled by multiple HPAs: [{listed}]"
    status = _status(autoscaler, [able, (ACTIVE, "False", "AmbiguousSelector", text)])
    events = tuple(("Warning", why, text) for why in ("AmbiguousSelector", "FailedComputeMetricsReplicas"))
    return Plan(status=status | {"currentReplicas": current, "currentMetrics": None}, events=events)


def _blind(autoscaler: Object, current: int, able: tuple[str, str, str, str]) -> Plan:
    """Within its bounds an autoscaler asks for metrics, and gets none."""
    metrics = autoscaler["spec"].get("metrics") or []
    failures = [_failure(metric, resources.namespace_of(autoscaler)) for metric in metrics]
    if not failures:
        return Plan(status=_status(autoscaler, [able]) | {"currentReplicas": current})
    reason, text, prefix = failures[0]
    unable = f"the HPA was unable to compute the replica count: {text}"
    status = _status(autoscaler, [able, (ACTIVE, "False", reason, unable)])
    status |= {"currentReplicas": current, "currentMetrics": [{"type": ""} for _ in failures]}
    number = len(failures)
    whole = f"invalid metrics ({number} invalid out of {number}), first error is: {prefix}: {text}"
    each = [("Warning", why, message) for why, message, _ in failures]
    return Plan(status=status, events=(*each, ("Warning", "FailedComputeMetricsReplicas", whole)))


def _failure(metric: Object, namespace: str) -> tuple[str, str, str]:
    """(reason, message, what the message is a part of) for one metric."""
    match metric["type"]:
        case "Resource":
            source = metric["resource"]
            return (
                "FailedGetResourceMetric",
                _of_resource(source),
                f"failed to get {source['name']} resource metric value",
            )
        case "ContainerResource":
            source = metric["containerResource"]
            prefix = f"failed to get {source['container']} container metric value"
            return "FailedGetContainerResourceMetric", _of_resource(source), prefix
        case "Pods":
            name = metric["pods"]["metric"]["name"]
            text = f"unable to get metric {name}: {NO_CUSTOM_API}"
            return "FailedGetPodsMetric", text, "failed to get pods metric value"
        case "Object":
            name, target = metric["object"]["metric"]["name"], metric["object"]["describedObject"]
            text = f"unable to get metric {name}: {target['kind']} on {namespace} {target['name']}/{NO_CUSTOM_API}"
            return "FailedGetObjectMetric", text, "failed to get object metric value"
    source = metric["external"]["metric"]
    text = (
        f"unable to get external metric {namespace}/{source['name']}/{_selector(source.get('selector'))}:"
        " unable to fetch metrics from external metrics API: the server could not find the requested resource"
        f" (get {source['name']}.external.metrics.k8s.io)"
    )
    return "FailedGetExternalMetric", text, f"failed to get {source['name']} external metric value"


def _of_resource(source: Object) -> str:
    kind = "utilization" if source["target"]["type"] == "Utilization" else "usage"
    name = source["name"]
    return f"failed to get {name} {kind}: unable to get metrics for resource {name}: {NO_RESOURCE_API}"


def _selector(selector: Object | None) -> str:
    """A label selector as Go prints it."""
    if selector is None:
        return "nil"
    labels = "".join(f"{key}: {value}," for key, value in sorted((selector.get("matchLabels") or {}).items()))
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{}},}}"
    )


def _status(autoscaler: Object, conditions: Sequence[tuple[str, str, str, str]]) -> Object:
    """The status of before, with these conditions instead of those of their types."""
    before = dict(autoscaler.get("status") or {})
    names = ("type", "status", "reason", "message")
    added = [dict(zip(names, row, strict=True)) for row in conditions]
    by_type = {c["type"]: c for c in before.get("conditions") or []} | {c["type"]: c for c in added}
    return {**before, "conditions": list(by_type.values())}


def timed(status: Object, before: Object, now: str) -> Object:
    """Conditions with the time of their last change of value."""
    earlier = {c["type"]: c for c in before.get("conditions") or []}
    conditions = [
        {
            **c,
            "lastTransitionTime": earlier[c["type"]]["lastTransitionTime"]
            if c["type"] in earlier and earlier[c["type"]]["status"] == c["status"]
            else now,
        }
        for c in status["conditions"]
    ]
    return {**status, "conditions": conditions}


def quiet(plan: Plan, before: Object) -> Plan:
    """The plan without Events when its conditions say nothing new."""
    old = {(c["type"], c["reason"], c["message"]) for c in before.get("conditions") or []}
    new = {(c["type"], c["reason"], c["message"]) for c in plan.status["conditions"]}
    return plan if new - old or plan.size is not None else replace(plan, events=())
