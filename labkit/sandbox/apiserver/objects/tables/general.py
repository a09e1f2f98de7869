"""Tables of everything else built in."""

from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.tables import columns
from labkit.sandbox.apiserver.objects.tables.columns import (
    AGE,
    NAME,
    NONE,
    UNKNOWN,
    UNSET,
    Column,
    at,
    column,
    joined,
    number,
    wide,
)

ROLE = "node-role.kubernetes.io/"


def _node_status(node: Object) -> str:
    conditions = node.get("status", {}).get("conditions") or ()
    ready = next((c["status"] for c in conditions if c["type"] == "Ready"), None)
    words = [{None: "Unknown", "True": "Ready"}.get(ready, "NotReady")]
    if node["spec"].get("unschedulable"):
        words.append("SchedulingDisabled")
    return joined(words)


def _roles(node: Object) -> str:
    labels = node["metadata"].get("labels") or {}
    roles = {key.removeprefix(ROLE) for key in labels if key.startswith(ROLE)}
    roles |= {value for key, value in labels.items() if key == "kubernetes.io/role"}
    return joined(sorted(roles - {""})) or NONE


def _address(kind: str) -> columns.Cell:
    def cell(node: Object) -> str:
        addresses = at("status", "addresses", default=())(node)
        return next((a["address"] for a in addresses if a["type"] == kind), NONE)

    return cell


def _info(field: str) -> columns.Cell:
    return at("status", "nodeInfo", field, default=UNKNOWN)


def _last_seen(event: Object) -> Any:
    series = (event.get("series") or {}).get("lastObservedTime")
    return series or event.get("lastTimestamp") or event.get("deprecatedLastTimestamp") or _first_seen(event)


def _first_seen(event: Object) -> Any:
    return event.get("firstTimestamp") or event.get("deprecatedFirstTimestamp") or event.get("eventTime")


def _about(event: Object) -> Object:
    return event.get("involvedObject") or event.get("regarding") or {}


def _object(event: Object) -> str:
    about = _about(event)
    kind = about.get("kind", "").lower()
    return f"{kind}/{about['name']}" if about.get("name") else kind


def _source(event: Object) -> str:
    source = event.get("source") or event.get("deprecatedSource") or {}
    component = source.get("component") or event.get("reportingComponent") or event.get("reportingController")
    host = source.get("host") or event.get("reportingInstance")
    return ", ".join(filter(None, (component, host)))


def _count(event: Object) -> int:
    series = event.get("series") or {}
    return int(series.get("count") or event.get("count") or event.get("deprecatedCount") or 1)


_EVENTS = (
    Column(name="Last Seen", since=_last_seen, description="CoreV1Event.last_timestamp"),
    column("Type", at("type"), "CoreV1Event.type"),
    column("Reason", at("reason"), "CoreV1Event.reason"),
    column("Object", _object, "The object that this event is about."),
    wide("Subobject", lambda e: _about(e).get("fieldPath", ""), "V1ObjectReference.field_path"),
    wide(
        "Source",
        _source,
        "The component reporting this event. Should be a short machine understandable string.",
    ),
    column("Message", lambda e: (e.get("message") or e.get("note") or "").strip(), "V1Status.message"),
    Column(name="First Seen", since=_first_seen, priority=1, description="CoreV1Event.first_timestamp"),
    wide("Count", _count, "CoreV1Event.count"),
    wide("Name", at("metadata", "name"), "V1ObjectMeta.name", format="name"),
)


def _quota(*, limits: bool) -> columns.Cell:
    def cell(quota: Object) -> str:
        status = quota.get("status") or {}
        hard, used = status.get("hard") or {}, status.get("used") or {}
        names = [name for name in sorted(hard) if name.startswith("limits.") == limits]
        return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in names)

    return cell


def _targets(autoscaler: Object) -> str:
    spec, status = autoscaler["spec"], autoscaler.get("status") or {}
    if autoscaler["apiVersion"] == "autoscaling/v1":
        current = status.get("currentCPUUtilizationPercentage")
        shown = UNKNOWN if current is None else f"{current}%"
        return f"cpu: {shown}/{spec.get('targetCPUUtilizationPercentage')}%"
    current_metrics = status.get("currentMetrics") or ()
    texts = []
    for place, metric in enumerate(spec.get("metrics") or ()):
        current = current_metrics[place] if place < len(current_metrics) else {}
        texts.append(_target(metric, current))
    shown_texts = texts[:2]
    more = f" + {len(texts) - 2} more..." if len(texts) > 2 else ""
    return ", ".join(shown_texts) + more if texts else NONE


def _target(metric: Object, current: Object) -> str:
    source = metric["type"][0].lower() + metric["type"][1:]
    details = metric.get(source) or {}
    name = f"{details['name']}: " if "name" in details else ""
    target, seen = details.get("target") or {}, (current.get(source) or {}).get("current") or {}
    for field in ("averageUtilization", "averageValue", "value"):
        if target.get(field) is not None:
            unit = "%" if field == "averageUtilization" else ""
            value = seen.get(field)
            average = " (avg)" if field == "averageValue" and metric["type"] not in ("Resource", "Pods") else ""
            return f"{name}{UNKNOWN if value is None else f'{value}{unit}'}/{target[field]}{unit}{average}"
    return f"{name}{UNKNOWN}/<auto>"


def _text(*path: str, default: str) -> columns.Cell:
    value = at(*path, default=None)
    return lambda obj: default if value(obj) is None else str(value(obj))


def _param_ref(binding: Object) -> str:
    reference = binding["spec"].get("paramRef")
    return f"{reference.get('namespace') or '*'}/{reference.get('name') or '*'}" if reference else UNSET


_WEBHOOKS = (
    NAME,
    number(
        "Webhooks",
        lambda c: len(c.get("webhooks") or ()),
        "Webhooks indicates the number of webhooks registered in this configuration",
    ),
    AGE,
)

TABLES: dict[str, tuple[Column, ...]] = {
    "/ConfigMap": (
        NAME,
        column("Data", lambda c: len(c.get("data") or {}) + len(c.get("binaryData") or {}), "V1ConfigMap.data"),
        AGE,
    ),
    "/Secret": (
        NAME,
        column("Type", at("type"), "V1Secret.type"),
        column("Data", lambda s: len(s.get("data") or {}), "V1Secret.data"),
        AGE,
    ),
    "/Namespace": (NAME, column("Status", at("status", "phase"), "The status of the namespace"), AGE),
    "/Node": (
        NAME,
        column("Status", _node_status, "The status of the node"),
        column("Roles", _roles, "The roles of the node"),
        AGE,
        column("Version", at("status", "nodeInfo", "kubeletVersion"), "V1NodeSystemInfo.kubelet_version"),
        wide("Internal-IP", _address("InternalIP"), "V1NodeStatus.addresses"),
        wide("External-IP", _address("ExternalIP"), "V1NodeStatus.addresses"),
        wide("OS-Image", _info("osImage"), "V1NodeSystemInfo.os_image"),
        wide("Kernel-Version", _info("kernelVersion"), "V1NodeSystemInfo.kernel_version"),
        wide(
            "Container-Runtime",
            _info("containerRuntimeVersion"),
            "V1NodeSystemInfo.container_runtime_version",
        ),
    ),
    "/Event": _EVENTS,
    "events.k8s.io/Event": _EVENTS,
    "/ResourceQuota": (
        NAME,
        column(
            "Request",
            _quota(limits=False),
            "Request represents a minimum amount of cpu/memory that a container may consume.",
        ),
        column(
            "Limit",
            _quota(limits=True),
            "Limits control the maximum amount of cpu/memory that a container may use independent of"
            " contention on the node.",
        ),
        AGE,
    ),
    "coordination.k8s.io/Lease": (
        NAME,
        column("Holder", at("spec", "holderIdentity"), "V1LeaseSpec.holder_identity"),
        AGE,
    ),
    "autoscaling/HorizontalPodAutoscaler": (
        NAME,
        column(
            "Reference",
            lambda h: f"{h['spec']['scaleTargetRef']['kind']}/{h['spec']['scaleTargetRef']['name']}",
            "V2HorizontalPodAutoscalerSpec.scale_target_ref",
        ),
        column("Targets", _targets, "V2HorizontalPodAutoscalerSpec.metrics"),
        column("MinPods", _text("spec", "minReplicas", default=UNSET), "V2HorizontalPodAutoscalerSpec.min_replicas"),
        column("MaxPods", at("spec", "maxReplicas", default=0), "V2HorizontalPodAutoscalerSpec.max_replicas"),
        column(
            "Replicas",
            at("status", "currentReplicas", default=0),
            "V2HorizontalPodAutoscalerStatus.current_replicas",
        ),
        AGE,
    ),
    "policy/PodDisruptionBudget": (
        NAME,
        column(
            "Min Available",
            _text("spec", "minAvailable", default="N/A"),
            "The minimum number of pods that must be available.",
        ),
        column(
            "Max Unavailable",
            _text("spec", "maxUnavailable", default="N/A"),
            "The maximum number of pods that may be unavailable.",
        ),
        number(
            "Allowed Disruptions",
            at("status", "disruptionsAllowed", default=0),
            "Calculated number of pods that may be disrupted at this time.",
        ),
        AGE,
    ),
    "scheduling.k8s.io/PriorityClass": (
        NAME,
        number("Value", at("value", default=0), "V1PriorityClass.value"),
        Column(
            name="Global-Default",
            of=lambda c: bool(c.get("globalDefault")),
            type="boolean",
            description="V1PriorityClass.global_default",
        ),
        AGE,
        column("PreemptionPolicy", at("preemptionPolicy"), "V1PriorityClass.preemption_policy"),
    ),
    "admissionregistration.k8s.io/MutatingWebhookConfiguration": _WEBHOOKS,
    "admissionregistration.k8s.io/ValidatingWebhookConfiguration": _WEBHOOKS,
    "admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding": (
        NAME,
        column(
            "PolicyName",
            at("spec", "policyName"),
            "PolicyName indicates the policy definition which the policy binding binded to",
        ),
        column(
            "ParamRef",
            _param_ref,
            "ParamRef indicates the param resource which sets the configuration param",
        ),
        AGE,
    ),
}
