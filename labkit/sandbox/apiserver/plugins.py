"""Admission that a real server has built in, as far as objects of a course show it."""

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import store as stores
from labkit.sandbox.apiserver import strategies, verbs
from labkit.sandbox.apiserver.objects import refusals

MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_SECONDS = 3607
"""The lifetime of a pod's own token; the odd seven mark it as the automatic one."""

TOLERATED = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def change(store: stores.Store, order: "verbs.Order", new: Object, old: Object | None) -> Object:
    """The object with what the built-in plug-ins write into it."""
    if order.served.storage == "pods" and order.operation == "CREATE" and not order.subresource:
        return _with_tolerations(_with_account(store, order, _with_priority(new)))
    return new


def _with_priority(pod: Object) -> Object:
    spec = {**pod["spec"]}
    spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    return {**pod, "spec": spec}


def _with_tolerations(pod: Object) -> Object:
    spec = {**pod["spec"]}
    have = list(spec.get("tolerations") or [])
    for key in TOLERATED:
        if not any(t.get("key") in (key, None) and t.get("effect") in ("NoExecute", None) for t in have):
            have.append({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300})
    spec["tolerations"] = have
    return {**pod, "spec": spec}


def _with_account(store: stores.Store, order: "verbs.Order", pod: Object) -> Object:
    """The service account, and its token mounted into every container."""
    spec = {**pod["spec"]}
    name = spec.get("serviceAccountName") or "default"
    spec["serviceAccountName"] = spec["serviceAccount"] = name
    account = store.get("serviceaccounts", order.namespace, name)
    if account is None:
        raise refusals.refusal(
            403,
            "Forbidden",
            f'pods "{pod["metadata"]["name"]}" is forbidden: error looking up service account '
            f'{order.namespace}/{name}: serviceaccount "{name}" not found',
            {"name": pod["metadata"]["name"], "kind": "pods"},
        )
    wanted = spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True))
    containers = [*spec.get("initContainers", []), *spec.get("containers", [])]
    lacking = [c for c in containers if all(m["mountPath"] != MOUNT for m in c.get("volumeMounts") or [])]
    if not wanted or not lacking:
        return {**pod, "spec": spec}
    volumes = list(spec.get("volumes") or [])
    volume = next((v for v in volumes if v["name"].startswith("kube-api-access-")), None)
    if volume is None:
        volume = token_volume(strategies.generated("kube-api-access-"))
        spec["volumes"] = [*volumes, volume]
    mount = {"name": volume["name"], "readOnly": True, "mountPath": MOUNT}
    for kind in ("initContainers", "containers"):
        if kind in spec:
            spec[kind] = [
                {**c, "volumeMounts": [*(c.get("volumeMounts") or []), mount]} if c in lacking else c
                for c in spec[kind]
            ]
    return {**pod, "spec": spec}


def token_volume(name: str) -> Object:
    """Token, authority and namespace in one folder."""
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    return {
        "name": name,
        "projected": {
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [namespace]}},
            ],
            "defaultMode": 420,
        },
    }
