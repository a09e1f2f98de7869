"""Rules for what makes pods."""

import zoneinfo
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.validation import causes, checks, gonames, names
from labkit.sandbox.apiserver.objects.validation.causes import Cause
from labkit.sandbox.apiserver.objects.validation.checks import amount, not_negative, one_of, up_to_all

_CHECKS = tuple[checks.Check, ...]
_SCALE = ("replicas", "minReadySeconds", "revisionHistoryLimit")
_COUNTS: Mapping[str, _CHECKS] = dict.fromkeys(_SCALE, (not_negative,))
_JOB = ("completions", "parallelism", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished")

FIELDS: Mapping[str, Mapping[str, tuple[checks.Check, ...]]] = {
    "DeploymentSpec": {**_COUNTS, "progressDeadlineSeconds": (not_negative,)},
    "ReplicaSetSpec": _COUNTS,
    "DaemonSetSpec": _COUNTS,
    "ReplicationControllerSpec": _COUNTS,
    "StatefulSetSpec": {**_COUNTS, "podManagementPolicy": (one_of("OrderedReady", "Parallel"),)},
    "RollingUpdateDeployment": {
        "maxUnavailable": (amount, up_to_all),
        "maxSurge": (amount,),
    },
    "StatefulSetUpdateStrategy": {"type": (one_of("RollingUpdate", "OnDelete"),)},
    "DaemonSetUpdateStrategy": {"type": (one_of("RollingUpdate", "OnDelete"),)},
    "JobSpec": dict.fromkeys(_JOB, (not_negative,)),
    "CronJobSpec": {
        "concurrencyPolicy": (one_of("Allow", "Forbid", "Replace"),),
        "successfulJobsHistoryLimit": (not_negative,),
        "failedJobsHistoryLimit": (not_negative,),
        "startingDeadlineSeconds": (not_negative,),
    },
}

_UNMATCHED = "`selector` does not match template `labels`"


def _workload(word: str) -> Callable[[Any, str], Iterator[Cause]]:
    def rule(spec: Object, path: str) -> Iterator[Cause]:
        yield from _selection(spec, path, word)
        yield from _restart(spec, path)

    return rule


def _selection(spec: Object, path: str, word: str) -> Iterator[Cause]:
    """A selector that selects something, and its own template."""
    selector, here = spec.get("selector"), f"{path}.selector"
    complaints = list(checks.selector(selector, here))
    yield from complaints
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if selector is None:
        yield causes.required(here)
    elif complaints:
        yield causes.wrong(here, selector, "invalid label selector")
        return
    elif not selector:
        yield causes.wrong(here, {}, f"empty selector is invalid for {word}")
        return
    if selector is None or not checks.matches(selector, labels or {}):
        yield causes.wrong(f"{path}.template.metadata.labels", labels, _UNMATCHED)


def _restart(spec: Object, path: str) -> Iterator[Cause]:
    policy = (spec.get("template") or {}).get("spec", {}).get("restartPolicy")
    if policy in ("OnFailure", "Never"):
        yield causes.unsupported(f"{path}.template.spec.restartPolicy", policy, ("Always",))


def _deployment(spec: Object, path: str) -> Iterator[Cause]:
    yield from _workload("deployment")(spec, path)
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
    elif rolling and all(rolling.get(key) in (0, "0%") for key in ("maxUnavailable", "maxSurge")):
        yield causes.wrong(
            f"{path}.rollingUpdate.maxUnavailable",
            rolling["maxUnavailable"],
            "may not be 0 when `maxSurge` is 0",
        )


def _job_template(spec: Object, path: str) -> Iterator[Cause]:
    policy = (spec.get("template") or {}).get("spec", {}).get("restartPolicy")
    here = f"{path}.template.spec.restartPolicy"
    if policy in (None, "", "Always"):
        yield causes.required(here, 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        yield causes.unsupported(here, policy, ("OnFailure", "Never"))


def _job(job: Object) -> Iterator[Cause]:
    """A job selects its pods by its own uid unless told otherwise."""
    spec, metadata = job["spec"], job["metadata"]
    selector, labels = spec.get("selector"), spec["template"].get("metadata", {}).get("labels") or {}
    if spec.get("manualSelector") or selector is None:
        return
    own = {"batch.kubernetes.io/controller-uid": metadata.get("uid")}
    if selector.get("matchLabels") not in (own, {"controller-uid": metadata.get("uid")}):
        yield causes.wrong("spec.selector", selector, "`selector` not auto-generated")
    if not checks.matches(selector, labels):
        yield causes.wrong("spec.template.metadata.labels", labels, _UNMATCHED)
    for value in labels.values():
        for problem in names.label_value(value):
            yield causes.wrong("spec.template.labels", value, problem)


def _cron(spec: Object, path: str) -> Iterator[Cause]:
    schedule, zone = spec.get("schedule") or "", spec.get("timeZone")
    fields = schedule.split()
    if not schedule:
        yield causes.required(f"{path}.schedule")
    elif "TZ" in schedule:
        detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        yield causes.wrong(f"{path}.schedule", schedule, detail)
    elif not schedule.startswith("@") and len(fields) != 5:
        detail = f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]"
        yield causes.wrong(f"{path}.schedule", schedule, detail)
    if zone is not None and not _is_zone(zone):
        yield causes.wrong(f"{path}.timeZone", zone, f"unknown time zone {zone}")


def _is_zone(zone: str) -> bool:
    try:
        zoneinfo.ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        return False
    return True


STRUCTS: Mapping[str, Callable[[Any, str], Iterator[Cause]]] = {
    "DeploymentSpec": _deployment,
    "ReplicaSetSpec": _workload("deployment"),
    "DaemonSetSpec": _workload("daemonset"),
    "StatefulSetSpec": _workload("statefulset"),
    "DeploymentStrategy": _strategy,
    "JobSpec": _job_template,
    "CronJobSpec": _cron,
}

KINDS: Mapping[str, Callable[[Object], Iterator[Cause]]] = {"batch/Job": _job}
