"""What the server itself writes into new objects of some kinds, after admission."""

from collections.abc import Callable, Mapping

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.calls import timestamp


def prepared(key: str, obj: Object, *, is_labelled: bool) -> Object:
    """A new object of the table ``key`` as it is stored; ``is_labelled``: its author gave it labels."""
    if key == "batch/jobs":
        return _job(obj, is_labelled=is_labelled)
    rule = _RULES.get(key)
    return rule(obj) if rule else obj


def _job(obj: Object, *, is_labelled: bool) -> Object:
    """Labels that tell its pods from all others, and the selector for them."""
    spec, metadata = obj["spec"], obj["metadata"]
    if spec.get("manualSelector"):
        return obj
    template = spec.get("template") or {}
    own = {"controller-uid": metadata["uid"], "job-name": metadata.get("name", "")}
    own |= {f"batch.kubernetes.io/{key}": value for key, value in own.items()}
    before = (template.get("metadata") or {}).get("labels") or {}
    labels = dict(sorted({**before, **own}.items()))
    template = {**template, "metadata": {**(template.get("metadata") or {}), "labels": labels}}
    selector = spec.get("selector") or {}
    mark = {"batch.kubernetes.io/controller-uid": metadata["uid"]}
    selector = {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), **mark}}
    # A job without labels of its own has those of its template, these included.
    labels = metadata.get("labels") if is_labelled else template["metadata"]["labels"]
    spec = {**spec, "selector": selector, "template": template}
    return {**obj, "metadata": {**metadata, "labels": labels}, "spec": spec}


TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def _daemon_set(obj: Object) -> Object:
    return _generated(obj, "1")


def _generated(obj: Object, generation: str) -> Object:
    metadata = obj["metadata"]
    annotations = {**(metadata.get("annotations") or {}), TEMPLATE_GENERATION: generation}
    return {**obj, "metadata": {**metadata, "annotations": dict(sorted(annotations.items()))}}


def as_owned(key: str, obj: Object) -> Object:
    """An object as its managers are told of it: what a version of the API always writes is said by whoever writes."""
    if key != "apps/daemonsets" or TEMPLATE_GENERATION in (obj["metadata"].get("annotations") or {}):
        return obj
    return _generated(obj, "0")


def updated(key: str, new: Object, live: Object) -> Object:
    """An object after an update, with what the server counts."""
    if key == "apps/statefulsets":
        return _stateful_set(new)
    if key != "apps/daemonsets":
        return new
    count = int((live["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION) or 0)
    changed = new["spec"].get("template") != live["spec"].get("template")
    return _generated(new, str(count + changed))


def _stateful_set(obj: Object) -> Object:
    claims = obj["spec"].get("volumeClaimTemplates")
    if not claims:
        return obj
    head = {"kind": "PersistentVolumeClaim", "apiVersion": "v1"}
    filled = [head | {**claim, "status": {"phase": "Pending"}} for claim in claims]
    return {**obj, "spec": {**obj["spec"], "volumeClaimTemplates": filled}}


def _node(obj: Object) -> Object:
    spec = dict(obj.get("spec") or {})
    taints = spec.get("taints") or []
    unready = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    if not any((t["key"], t["effect"]) == (unready["key"], unready["effect"]) for t in taints):
        spec["taints"] = [*taints, unready]
    if spec.get("podCIDR") and not spec.get("podCIDRs"):
        spec["podCIDRs"] = [spec["podCIDR"]]
    return {**obj, "spec": spec}


_SNAPSHOT = ("snapshot.storage.k8s.io", "VolumeSnapshot")


def _claim(obj: Object) -> Object:
    spec = dict(obj.get("spec") or {})
    if spec.get("dataSource") and not spec.get("dataSourceRef") and not _is_source(spec["dataSource"]):
        # The older of the two fields holds claims and snapshots alone; anything else is dropped without a word.
        del spec["dataSource"]
    if (spec.get("dataSourceRef") or {}).get("namespace"):
        # Behind a gate that is off (CrossNamespaceVolumeDataSource).
        del spec["dataSourceRef"]
    old, new = spec.get("dataSource"), spec.get("dataSourceRef")
    # The two names of one field hold the same, unless the newer one looks into another namespace.
    if new and not old and not new.get("namespace"):
        spec["dataSource"] = {key: new[key] for key in ("apiGroup", "kind", "name") if key in new}
    elif old and not new:
        spec["dataSourceRef"] = dict(old)
    obj = {**obj, "spec": spec}
    return _protected(obj, "kubernetes.io/pvc-protection")


def _is_source(source: Object) -> bool:
    kind = (source.get("apiGroup") or "", source.get("kind"))
    return kind in (("", "PersistentVolumeClaim"), _SNAPSHOT)


def _account(obj: Object) -> Object:
    """Of the Secrets that an account lists, their names alone."""
    if not obj.get("secrets"):
        return obj
    return {**obj, "secrets": [{"name": one["name"]} if one.get("name") else {} for one in obj["secrets"]]}


def _volume(obj: Object) -> Object:
    volume = {**obj, "status": {**(obj.get("status") or {}), "lastPhaseTransitionTime": timestamp()}}
    return _protected(volume, "kubernetes.io/pv-protection")


def _protected(obj: Object, finalizer: str) -> Object:
    """What is in use does not go: a controller takes the finalizer away."""
    finalizers = obj["metadata"].get("finalizers") or []
    if finalizer in finalizers:
        return obj
    return {**obj, "metadata": {**obj["metadata"], "finalizers": [*finalizers, finalizer]}}


_RULES: Mapping[str, Callable[[Object], Object]] = {
    "/nodes": _node,
    "/persistentvolumeclaims": _claim,
    "/persistentvolumes": _volume,
    "/serviceaccounts": _account,
    "apps/daemonsets": _daemon_set,
    "apps/statefulsets": _stateful_set,
}
