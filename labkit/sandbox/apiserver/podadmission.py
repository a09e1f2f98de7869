"""What built-in admission and the pod strategy write into a new pod: account, token, priority, tolerations."""

import secrets
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import refusing
from labkit.sandbox.apiserver.calls import Call, timestamp
from labkit.sandbox.apiserver.core import Core
from labkit.sandbox.apiserver.objects import quantities
from labkit.sandbox.apiserver.writing import ALPHABET

MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_SECONDS = 3607
"""The life of a pod's own token; the odd seven seconds mark it as the automatic one."""

VOLUME_PREFIX = "kube-api-access-"
NOT_TOLERATED_LONG = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
TOLERATED_SECONDS = 300
PRIORITIES = "scheduling.k8s.io/priorityclasses"
GATED = {
    "type": "PodScheduled",
    "status": "False",
    "lastProbeTime": None,
    "reason": "SchedulingGated",
    "message": "Scheduling is blocked due to non-empty scheduling gates",
}
BUILTIN_PRIORITIES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


class PodDefaults:
    """Fills in new pods."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def account(self, call: Call, new: Object, old: Object | None) -> Object | None:
        """Its ServiceAccount, whose token is mounted into every container unless somebody said no."""
        if not _is_new_pod(call, old):
            return None
        spec = dict(new["spec"])
        name = spec.get("serviceAccountName") or "default"
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        account = self._core.peek("/serviceaccounts", call.namespace, name)
        if account is None:
            why = f'error looking up service account {call.namespace}/{name}: serviceaccount "{name}" not found'
            raise refusing.forbidden("", "pods", call.name, why)
        if account.get("imagePullSecrets") and not spec.get("imagePullSecrets"):
            spec["imagePullSecrets"] = account["imagePullSecrets"]
        mounts_token = spec.get("automountServiceAccountToken")
        if mounts_token is None:
            mounts_token = account.get("automountServiceAccountToken", True)
        return {**new, "spec": _with_token(spec) if mounts_token else spec}

    async def priority(self, call: Call, new: Object, old: Object | None) -> Object | None:
        """The number behind its priority class, which an update may leave out."""
        if old is not None and call.served.key == "/pods" and not call.subresource:
            left_out = [k for k in ("priority", "preemptionPolicy") if new["spec"].get(k) is None and k in old["spec"]]
            return {**new, "spec": {**new["spec"], **{key: old["spec"][key] for key in left_out}}}
        if not _is_new_pod(call, old):
            return None
        spec = dict(new["spec"])
        name = spec.get("priorityClassName") or ""
        priority_class: Object | None = None
        if not name:
            items = self._core.store.table(PRIORITIES).items()
            priority_class = next((i.object for i in items if i.object.get("globalDefault")), None)
            if priority_class:
                spec["priorityClassName"] = priority_class["metadata"]["name"]
        elif name not in BUILTIN_PRIORITIES:
            priority_class = self._core.peek(PRIORITIES, "", name)
            if priority_class is None:
                why = f"no PriorityClass with name {name} was found"
                raise refusing.forbidden("", "pods", call.name, why)
        spec["priority"] = priority_class["value"] if priority_class else BUILTIN_PRIORITIES.get(name, 0)
        if not spec.get("preemptionPolicy"):
            spec["preemptionPolicy"] = (priority_class or {}).get("preemptionPolicy") or "PreemptLowerPriority"
        return {**new, "spec": spec}

    async def runtime(self, call: Call, new: Object, old: Object | None) -> Object | None:
        """There are no RuntimeClasses, so none that a pod names is there."""
        if _is_new_pod(call, old) and (name := new["spec"].get("runtimeClassName")):
            why = f'pod rejected: RuntimeClass "{name}" not found'
            raise refusing.forbidden("", "pods", call.name, why)
        return None

    async def tolerations(self, call: Call, new: Object, old: Object | None) -> Object | None:
        """Five minutes on a node that is not ready, unless it says otherwise."""
        if call.served.key != "/pods" or call.subresource:
            return None
        have = list(new["spec"].get("tolerations") or [])
        for key in NOT_TOLERATED_LONG:
            if not any(t.get("key") in (key, None, "") and t.get("effect") in ("NoExecute", None, "") for t in have):
                toleration = {"key": key, "operator": "Exists", "effect": "NoExecute"}
                have.append(toleration | {"tolerationSeconds": TOLERATED_SECONDS})
        return {**new, "spec": {**new["spec"], "tolerations": have}}

    async def status(self, call: Call, new: Object, old: Object | None) -> Object | None:
        """Pending, and the quality of service that its resources buy."""
        if not _is_new_pod(call, old):
            return None
        status: Object = {"phase": "Pending"}
        if new["spec"].get("schedulingGates"):
            status["conditions"] = [{**GATED, "lastTransitionTime": timestamp()}]
        return {**new, "status": status | {"qosClass": quality(new["spec"])}}


def quality(spec: Object) -> str:
    """Guaranteed, Burstable or BestEffort."""
    requests: set[tuple[str, str]] = set()
    guaranteed = True
    containers = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    for container in containers:
        resources = container.get("resources") or {}
        asked, limits = _counted(resources.get("requests")), _counted(resources.get("limits"))
        requests |= {*asked.items(), *limits.items()}
        if set(limits) != {"cpu", "memory"} or any(asked.get(k, v) != v for k, v in limits.items()):
            guaranteed = False
    if not requests:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def token_volume(name: str) -> Object:
    """Token, authority and namespace in one folder."""
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [namespace]}},
    ]
    return {"name": name, "projected": {"sources": sources, "defaultMode": 0o644}}


def _with_token(spec: Object) -> Object:
    kinds = [kind for kind in ("initContainers", "containers") if spec.get(kind)]
    if all(_has_mount(c) for kind in kinds for c in spec[kind]):
        return spec
    volumes = list(spec.get("volumes") or [])
    volume = next((v for v in volumes if v["name"].startswith(VOLUME_PREFIX)), None)
    if volume is None:
        volume = token_volume(VOLUME_PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(5)))
        volumes.append(volume)
    mount = {"name": volume["name"], "readOnly": True, "mountPath": MOUNT}
    changed: dict[str, Any] = {"volumes": volumes}
    for kind in kinds:
        changed[kind] = [
            c if _has_mount(c) else {**c, "volumeMounts": [*(c.get("volumeMounts") or []), mount]} for c in spec[kind]
        ]
    return spec | changed


def _has_mount(container: Object) -> bool:
    return any(m.get("mountPath") == MOUNT for m in container.get("volumeMounts") or [])


def _counted(listed: Object | None) -> dict[str, str]:
    amounts = {key: str(value) for key, value in (listed or {}).items() if key in ("cpu", "memory")}
    return {key: quantities.canonical(value) for key, value in amounts.items() if value not in ("0",)}


def _is_new_pod(call: Call, old: Object | None) -> bool:
    return old is None and call.served.key == "/pods" and not call.subresource
