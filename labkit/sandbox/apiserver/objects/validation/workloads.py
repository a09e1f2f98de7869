"""Rules for what keeps pods running: Deployments, ReplicaSets, StatefulSets, DaemonSets, ReplicationControllers."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.validation import causes, checks, gonames, names, volumes
from labkit.sandbox.apiserver.objects.validation.causes import Cause
from labkit.sandbox.apiserver.objects.validation.checks import amount, form, not_negative, up_to_all

_SCALE = ("replicas", "minReadySeconds", "revisionHistoryLimit")
_COUNTS: Mapping[str, tuple[checks.Check, ...]] = dict.fromkeys(_SCALE, (not_negative,))
_ROLLING = ("RollingUpdate", "OnDelete")
_UNMATCHED = "`selector` does not match template `labels`"

FIELDS: Mapping[str, Mapping[str, tuple[checks.Check, ...]]] = {
    "DeploymentSpec": {**_COUNTS, "progressDeadlineSeconds": (not_negative,)},
    "ReplicaSetSpec": _COUNTS,
    "DaemonSetSpec": _COUNTS,
    "ReplicationControllerSpec": _COUNTS,
    # The history of a StatefulSet is the only one whose limit may be negative.
    "StatefulSetSpec": dict.fromkeys(("replicas", "minReadySeconds"), (not_negative,)),
    "StatefulSetOrdinals": {"start": (not_negative,)},
}


def _rolls_percent(value: Any) -> int | None:
    """The number of ``25%`` or 25; None for other text."""
    if isinstance(value, str):
        return None if names.percent(value) else int(value[:-1])
    return int(value or 0)


def _selection(spec: Object, path: str, word: str, *, invalid: str | None) -> Iterator[Cause]:
    """A selector that selects something, and its own template; ``invalid`` says that it cannot be read."""
    selector, here = spec.get("selector"), f"{path}.selector"
    complaints = list(checks.selector(selector, here))
    yield from complaints
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if selector is None:
        if word != "daemonset":
            yield causes.required(here)
    elif complaints:
        if invalid is not None:
            yield causes.wrong(here, selector, invalid)
        return
    elif not selector.get("matchLabels") and not selector.get("matchExpressions"):
        yield causes.wrong(here, {}, f"empty selector is invalid for {word}")
        return
    if selector is None or not checks.matches(selector, labels or {}):
        yield causes.wrong(f"{path}.template.metadata.labels", labels, _UNMATCHED)


def _lasting(kind: str) -> Callable[[Any, str], Iterator[Cause]]:
    """The template of pods that are to run for ever."""

    def rule(spec: Object, path: str) -> Iterator[Cause]:
        template = (spec.get("template") or {}).get("spec") or {}
        policy = template.get("restartPolicy")
        if policy and policy != "Always":
            yield causes.unsupported(f"{path}.template.spec.restartPolicy", policy, ("Always",))
        if template.get("activeDeadlineSeconds") is not None:
            detail = f"activeDeadlineSeconds in {kind} is not Supported"
            yield causes.forbidden(f"{path}.template.spec.activeDeadlineSeconds", detail)

    return rule


def _replica_set(spec: Object, path: str) -> Iterator[Cause]:
    yield from _selection(spec, path, "deployment", invalid="invalid label selector")


def _deployment(spec: Object, path: str) -> Iterator[Cause]:
    yield from _replica_set(spec, path)
    deadline, ready = spec.get("progressDeadlineSeconds"), spec.get("minReadySeconds") or 0
    if deadline is not None and deadline <= ready:
        yield causes.wrong(f"{path}.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def _strategy(strategy: Object, path: str) -> Iterator[Cause]:
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind not in ("Recreate", "RollingUpdate"):
        shown = gonames.internal("DeploymentStrategy", strategy)
        yield causes.unsupported(path, shown, ("Recreate", "RollingUpdate"))
    elif kind == "Recreate" and rolling is not None:
        detail = "may not be specified when strategy `type` is 'Recreate'"
        yield causes.forbidden(f"{path}.rollingUpdate", detail)
    elif rolling is not None:
        yield from _rolling_deployment(rolling, f"{path}.rollingUpdate")


def _rolling_deployment(rolling: Object, path: str) -> Iterator[Cause]:
    most, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    yield from amount(most, f"{path}.maxUnavailable")
    yield from amount(surge, f"{path}.maxSurge")
    # Text that is no percentage counts as 0.
    if not _rolls_percent(most) and not _rolls_percent(surge):
        yield causes.wrong(f"{path}.maxUnavailable", most, "may not be 0 when `maxSurge` is 0")
    yield from up_to_all(most, f"{path}.maxUnavailable")


def _stateful_set(spec: Object, path: str) -> Iterator[Cause]:
    policy = spec.get("podManagementPolicy") or ""
    if policy not in ("OrderedReady", "Parallel"):
        here, detail = f"{path}.podManagementPolicy", "must be 'OrderedReady' or 'Parallel'"
        yield causes.wrong(here, policy, detail) if policy else causes.required(here)
    yield from _stateful_strategy(spec.get("updateStrategy") or {}, f"{path}.updateStrategy")
    retention = spec.get("persistentVolumeClaimRetentionPolicy") or {}
    for field in ("whenDeleted", "whenScaled"):
        if field in retention and retention[field] not in ("Retain", "Delete"):
            here = f"{path}.persistentVolumeClaimRetentionPolicy.{field}"
            yield causes.unsupported(here, retention[field] or "", ("Retain", "Delete"))
    for at, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
        yield from volumes.claim(claim.get("spec") or {}, f"{path}.volumeClaimTemplates[{at}].spec")
    yield from form(names.label)(spec.get("serviceName"), f"{path}.serviceName")
    yield from _selection(spec, path, "statefulset", invalid="")


def _stateful_strategy(strategy: Object, path: str) -> Iterator[Cause]:
    kind, rolling = strategy.get("type") or "", strategy.get("rollingUpdate")
    if kind not in _ROLLING:
        shown = gonames.internal("StatefulSetUpdateStrategy", strategy)
        yield causes.wrong(path, shown, "must be 'RollingUpdate' or 'OnDelete'") if kind else causes.required(path)
    elif rolling is None:
        return
    elif kind == "OnDelete":
        shown = gonames.internal("RollingUpdateStatefulSetStrategy", rolling)
        yield causes.wrong(f"{path}.rollingUpdate", shown, "only allowed for updateStrategy 'RollingUpdate'")
    else:
        here, most = f"{path}.rollingUpdate", rolling.get("maxUnavailable")
        yield from not_negative(rolling.get("partition"), f"{here}.partition")
        if most is not None:
            yield from amount(most, f"{here}.maxUnavailable")
            if not _rolls_percent(most):
                yield causes.wrong(f"{here}.maxUnavailable", most, "cannot be 0")
            yield from up_to_all(most, f"{here}.maxUnavailable")


def _without_template(spec: Object) -> Object:
    """The template is judged only beside a selector that can be read."""
    if list(checks.selector(spec.get("selector"), "")):
        return {name: value for name, value in spec.items() if name != "template"}
    return spec


def _as_started(spec: Object) -> Object:
    """A StatefulSet with the template its controller will use: named by the controller, with the claims mounted."""
    if "template" not in _without_template(spec):
        return _without_template(spec)
    template = spec.get("template") or {}
    pod = {name: value for name, value in (template.get("spec") or {}).items() if name not in ("hostname", "subdomain")}
    claims = spec.get("volumeClaimTemplates") or ()
    claimed = dict.fromkeys((claim.get("metadata") or {}).get("name") or "" for claim in claims)
    if claimed:
        mounted = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claimed]
        pod["volumes"] = [*mounted, *(v for v in pod.get("volumes") or () if (v.get("name") or "") not in claimed)]
    return {**spec, "template": {**template, "spec": pod}}


def _daemon_set(spec: Object, path: str) -> Iterator[Cause]:
    yield from _selection(spec, path, "daemonset", invalid=None)
    strategy, here = spec.get("updateStrategy") or {}, f"{path}.updateStrategy"
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind not in _ROLLING:
        shown = gonames.internal("DaemonSetUpdateStrategy", strategy)
        yield causes.unsupported(here, shown, _ROLLING)
    elif kind == "RollingUpdate" and rolling is None:
        yield causes.required(f"{here}.rollingUpdate")
    elif kind == "RollingUpdate":
        yield from _rolling_daemons(rolling or {}, f"{here}.rollingUpdate")


def _rolling_daemons(rolling: Object, path: str) -> Iterator[Cause]:
    most, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    for field, value in (("maxUnavailable", most), ("maxSurge", surge)):
        yield from amount(value, f"{path}.{field}")
    for field, value in (("maxUnavailable", most), ("maxSurge", surge)):
        yield from up_to_all(value, f"{path}.{field}")
    if _rolls_percent(most) and _rolls_percent(surge):
        yield causes.wrong(f"{path}.maxSurge", surge, "may not be set when maxUnavailable is non-zero")
    elif not _rolls_percent(most) and not _rolls_percent(surge):
        yield causes.required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0")


def _replication_controller(spec: Object, path: str) -> Iterator[Cause]:
    selector = spec.get("selector") or {}
    template = spec.get("template")
    if not selector:
        yield causes.required(f"{path}.selector")
    if template is None:
        yield causes.required(f"{path}.template")
        return
    labels = (template.get("metadata") or {}).get("labels")
    if selector and any((labels or {}).get(key) != value for key, value in selector.items()):
        yield causes.wrong(f"{path}.template.metadata.labels", labels, _UNMATCHED)


STRUCTS: Mapping[str, Callable[[Any, str], Iterator[Cause]]] = {
    "DeploymentSpec": _deployment,
    "ReplicaSetSpec": _replica_set,
    "DaemonSetSpec": _daemon_set,
    "StatefulSetSpec": _stateful_set,
    "ReplicationControllerSpec": _replication_controller,
    "DeploymentStrategy": _strategy,
}

VIEWS: Mapping[str, Callable[[Object], Object]] = {
    "DeploymentSpec": _without_template,
    "ReplicaSetSpec": _without_template,
    "StatefulSetSpec": _as_started,
}
"""Struct → the form in which its fields are checked."""

LAST: Mapping[str, Callable[[Any, str], Iterator[Cause]]] = {
    "DeploymentSpec": _lasting("ReplicaSet"),
    "ReplicaSetSpec": _lasting("ReplicaSet"),
    "DaemonSetSpec": _lasting("DaemonSet"),
    "StatefulSetSpec": _lasting("StatefulSet"),
    "ReplicationControllerSpec": _lasting("ReplicationController"),
}

KINDS: Mapping[str, Callable[[Object], Iterator[Cause]]] = {}
