"""Defaults that follow from other fields. Every rule changes the fresh dict it is given."""

import base64
from collections.abc import Callable, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import quantities
from labkit.sandbox.apiserver.objects.defaults.tables import RBAC

Rule = Callable[[dict[str, Any]], None]

AFFINITY_SECONDS = 10800
"""How long a Service keeps a client at one endpoint."""


def rounded(resources: Mapping[str, str]) -> dict[str, str]:
    """Resources no finer than a thousandth."""
    return {
        name: quantities.rounded_to_milli(amount) if amount.endswith(("n", "u")) else amount
        for name, amount in resources.items()
    }


def pull_policy(image: str) -> str:
    """Always for the tag ``latest``, named or meant."""
    if "@" in image:
        return "IfNotPresent"
    tag = image.rpartition("/")[2].partition(":")[2]
    return "Always" if tag in ("", "latest") else "IfNotPresent"


def _pod_spec(spec: dict[str, Any]) -> None:
    # The old name of the field is always written beside the new one.
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    if not spec.get("hostNetwork"):
        return
    for group in ("containers", "initContainers"):
        for container in spec.get(group) or ():
            for port in container.get("ports") or ():
                if not port.get("hostPort"):
                    port["hostPort"] = port.get("containerPort", 0)


def _container(container: dict[str, Any]) -> None:
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = pull_policy(container.get("image") or "")


def _volume(volume: dict[str, Any]) -> None:
    if set(volume) <= {"name"}:
        volume["emptyDir"] = {}


def _service(spec: dict[str, Any]) -> None:
    kind = spec["type"]
    if spec["sessionAffinity"] == "ClientIP":
        config = spec.setdefault("sessionAffinityConfig", {})
        client = config.setdefault("clientIP", {})
        if client.get("timeoutSeconds") is None:
            client["timeoutSeconds"] = AFFINITY_SECONDS
    elif spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    external = kind in ("NodePort", "LoadBalancer") or (kind == "ClusterIP" and spec.get("externalIPs"))
    if external and not spec.get("externalTrafficPolicy"):
        spec["externalTrafficPolicy"] = "Cluster"
    if kind in ("ClusterIP", "NodePort", "LoadBalancer") and not spec.get("internalTrafficPolicy"):
        spec["internalTrafficPolicy"] = "Cluster"
    if kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is None:
        spec["allocateLoadBalancerNodePorts"] = True


def _service_port(port: dict[str, Any]) -> None:
    if port.get("targetPort") in (None, 0, ""):
        port["targetPort"] = port.get("port", 0)


def _balancer_ingress(ingress: dict[str, Any]) -> None:
    if ingress.get("ip") and ingress.get("ipMode") is None:
        ingress["ipMode"] = "VIP"


def _limits(item: dict[str, Any]) -> None:
    if item.get("type") != "Container":
        return
    defaults = dict(item.get("max") or {}) | (item.get("default") or {})
    requests = dict(item.get("min") or {}) | defaults | (item.get("defaultRequest") or {})
    if defaults:
        item["default"] = defaults
    if requests:
        item["defaultRequest"] = requests


def _rolling(kind: str) -> Rule:
    def rule(strategy: dict[str, Any]) -> None:
        if strategy["type"] == "RollingUpdate" and strategy.get("rollingUpdate") is None:
            strategy["rollingUpdate"] = {}

    rule.__doc__ = f"A rolling update of a {kind} has parameters."
    return rule


def _network_policy(spec: dict[str, Any]) -> None:
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", *(["Egress"] if spec.get("egress") else [])]


def _subject(subject: dict[str, Any]) -> None:
    if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
        subject["apiGroup"] = RBAC


def _node_status(status: dict[str, Any]) -> None:
    if status.get("allocatable") is None and status.get("capacity") is not None:
        status["allocatable"] = dict(status["capacity"])


BY_STRUCT: Mapping[str, Rule] = {
    "PodSpec": _pod_spec,
    "Container": _container,
    "EphemeralContainer": _container,
    "Volume": _volume,
    "ServiceSpec": _service,
    "ServicePort": _service_port,
    "LoadBalancerIngress": _balancer_ingress,
    "LimitRangeItem": _limits,
    "DeploymentStrategy": _rolling("Deployment"),
    "DaemonSetUpdateStrategy": _rolling("DaemonSet"),
    "StatefulSetUpdateStrategy": _rolling("StatefulSet"),
    "NetworkPolicySpec": _network_policy,
    "Subject": _subject,
    "NodeStatus": _node_status,
}


def _pod(pod: Object) -> None:
    spec = pod["spec"]
    if spec.get("enableServiceLinks") is None:
        spec["enableServiceLinks"] = True
    for group in ("containers", "initContainers"):
        for container in spec.get(group) or ():
            resources = container.get("resources") or {}
            if resources.get("limits"):
                resources["requests"] = resources["limits"] | (resources.get("requests") or {})
                # Requests that a limit implies stand behind those that somebody asked for.
                container["resources"] = {k: resources[k] for k in ("limits", "requests")} | resources


def _secret(secret: Object) -> None:
    texts = secret.pop("stringData", None)
    if texts:
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
        secret["data"] = (secret.get("data") or {}) | encoded
    if secret.get("data"):
        secret["data"] = {key: "" if value is None else value for key, value in secret["data"].items()}
    if not secret.get("type"):
        secret["type"] = "Opaque"


def _namespace(namespace: Object) -> None:
    metadata = namespace["metadata"]
    if metadata.get("name"):
        metadata["labels"] = (metadata.get("labels") or {}) | {"kubernetes.io/metadata.name": metadata["name"]}


def _claim(claim: Object) -> None:
    claim["status"] = {"phase": "Pending"} | (claim.get("status") or {})


def _slice(endpoint_slice: Object) -> None:
    for port in endpoint_slice.get("ports") or ():
        if port.get("name") is None:
            port["name"] = ""


def _replication_controller(controller: Object) -> None:
    labels = ((controller["spec"].get("template") or {}).get("metadata") or {}).get("labels") or {}
    if labels:
        controller["spec"].setdefault("selector", dict(labels))
        controller["metadata"].setdefault("labels", dict(labels))


def _job(job: Object) -> None:
    spec = job["spec"]
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = spec["parallelism"] = 1
    defaults = {
        "parallelism": 1,
        "backoffLimit": 6 if spec.get("backoffLimitPerIndex") is None else 2**31 - 1,
        "completionMode": "NonIndexed",
        "suspend": False,
        "manualSelector": False,
        "podReplacementPolicy": "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed",
    }
    for key, value in defaults.items():
        if spec.get(key) is None:
            spec[key] = value
    labels = (spec["template"].get("metadata") or {}).get("labels")
    if labels and not job["metadata"].get("labels"):
        job["metadata"]["labels"] = dict(labels)


def _autoscaler(autoscaler: Object) -> None:
    spec = autoscaler["spec"]
    if spec.get("minReplicas") is None:
        spec["minReplicas"] = 1
    _autoscaler_metrics(autoscaler)
    behavior = spec.get("behavior")
    if behavior is not None:
        up, down = behavior.get("scaleUp") or {}, behavior.get("scaleDown") or {}
        behavior["scaleUp"] = {"stabilizationWindowSeconds": 0, "selectPolicy": "Max"} | up
        behavior["scaleUp"].setdefault(
            "policies",
            [
                {"type": "Pods", "value": 4, "periodSeconds": 15},
                {"type": "Percent", "value": 100, "periodSeconds": 15},
            ],
        )
        behavior["scaleDown"] = {"selectPolicy": "Max"} | down
        behavior["scaleDown"].setdefault("policies", [{"type": "Percent", "value": 100, "periodSeconds": 15}])


def _autoscaler_metrics(autoscaler: Object) -> None:
    spec = autoscaler["spec"]
    if autoscaler["apiVersion"] == "autoscaling/v1":
        if spec.get("targetCPUUtilizationPercentage") is None:
            spec["targetCPUUtilizationPercentage"] = 80
    elif not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]


def _crd(crd: Object) -> None:
    spec = crd["spec"]
    names = spec["names"]
    if names.get("kind"):
        names["singular"] = names.get("singular") or names["kind"].lower()
        names["listKind"] = names.get("listKind") or f"{names['kind']}List"
    for version in spec.get("versions") or ():
        if version.get("deprecated") is False:
            del version["deprecated"]
    status = crd["status"]
    if not status.get("storedVersions"):
        stored = [v["name"] for v in spec.get("versions") or () if v.get("storage")]
        status["storedVersions"] = stored[:1] or None


BY_KIND: Mapping[str, Rule] = {
    "/Pod": _pod,
    "/Secret": _secret,
    "/Namespace": _namespace,
    "/PersistentVolumeClaim": _claim,
    "/ReplicationController": _replication_controller,
    "discovery.k8s.io/EndpointSlice": _slice,
    "batch/Job": _job,
    "autoscaling/HorizontalPodAutoscaler": _autoscaler,
    "apiextensions.k8s.io/CustomResourceDefinition": _crd,
}
"""``GROUP/KIND`` → what its objects get, after the defaults of their structs."""
