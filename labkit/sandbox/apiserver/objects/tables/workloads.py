"""Tables of what makes pods."""

import datetime
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.tables import columns
from labkit.sandbox.apiserver.objects.tables.columns import (
    AGE,
    NAME,
    NONE,
    Column,
    at,
    column,
    joined,
    labels,
    number,
    selector,
    wide,
)

_NAMES, _IMAGES = "Names of each container in the template.", "Images referenced by each container in the template."


def _containers(*path: str, field: str) -> columns.Cell:
    containers = at(*path, "spec", "containers", default=())
    return lambda obj: joined([c.get(field, "") for c in containers(obj)])


def _template(*path: str) -> tuple[Column, Column]:
    return (
        wide("Containers", _containers(*path, field="name"), _NAMES),
        wide("Images", _containers(*path, field="image"), _IMAGES),
    )


_TEMPLATE = _template("spec", "template")


def _selector(*path: str, description: str = "") -> Column:
    value = at(*path, default=None)
    return wide("Selector", lambda obj: selector(value(obj)), description)


def _of(*path: str) -> columns.Cell:
    return at(*path, default=0)


def _ready(workload: Object) -> str:
    return f"{_of('status', 'readyReplicas')(workload)}/{_of('spec', 'replicas')(workload)}"


def _job_status(job: Object) -> str:
    conditions = job.get("status", {}).get("conditions") or ()
    true = {c["type"] for c in conditions if c["status"] == "True"}
    for kind in ("Complete", "Failed"):
        if kind in true:
            return kind
    if job["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return next((kind for kind in ("Suspended", "FailureTarget", "SuccessCriteriaMet") if kind in true), "Running")


def _completions(job: Object) -> str:
    spec, done = job["spec"], _of("status", "succeeded")(job)
    if spec.get("completions") is not None:
        return f"{done}/{spec['completions']}"
    parallel = spec.get("parallelism") or 0
    return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"


class _Duration(Column):
    """How long a job has run, or ran."""

    def cell(self, obj: Object, now: datetime.datetime) -> Any:
        status = obj.get("status") or {}
        if not status.get("startTime"):
            return ""
        end = status.get("completionTime")
        return columns.age(status["startTime"], datetime.datetime.fromisoformat(end) if end else now)


class _LastSchedule(Column):
    """When a cron job last started one."""

    def cell(self, obj: Object, now: datetime.datetime) -> Any:
        last = (obj.get("status") or {}).get("lastScheduleTime")
        return columns.age(last, now) if last else NONE


_REPLICAS = "status", "replicas"


def _replica_table(model: str, selector_column: Column) -> tuple[Column, ...]:
    return (
        NAME,
        number("Desired", _of("spec", "replicas"), f"{model}Spec.replicas"),
        number("Current", _of(*_REPLICAS), f"{model}Status.replicas"),
        number("Ready", _of("status", "readyReplicas"), f"{model}Status.ready_replicas"),
        AGE,
        *_TEMPLATE,
        selector_column,
    )


def _controller(obj: Object) -> str:
    owners = obj["metadata"].get("ownerReferences") or ()
    owner = next((o for o in owners if o.get("controller")), None)
    if owner is None:
        return NONE
    group = owner["apiVersion"].rpartition("/")[0]
    return f"{owner['kind'].lower()}{f'.{group}' if group else ''}/{owner['name']}"


TABLES = {
    "apps/Deployment": (
        NAME,
        column("Ready", _ready, "Number of the pod with ready state"),
        column("Up-to-date", _of("status", "updatedReplicas"), "V1DeploymentStatus.updated_replicas"),
        column("Available", _of("status", "availableReplicas"), "V1DeploymentStatus.available_replicas"),
        AGE,
        *_TEMPLATE,
        _selector("spec", "selector", description="V1DeploymentSpec.selector"),
    ),
    "apps/ReplicaSet": _replica_table(
        "V1ReplicaSet", _selector("spec", "selector", description="V1ReplicaSetSpec.selector")
    ),
    "/ReplicationController": _replica_table(
        "V1ReplicationController",
        wide(
            "Selector",
            lambda rc: labels(rc["spec"].get("selector")),
            "V1ReplicationControllerSpec.selector",
        ),
    ),
    "apps/StatefulSet": (NAME, column("Ready", _ready, "Number of the pod with ready state"), AGE, *_TEMPLATE),
    "apps/DaemonSet": (
        NAME,
        *(
            number(name, _of("status", field), f"V1DaemonSetStatus.{python}")
            for name, field, python in (
                ("Desired", "desiredNumberScheduled", "desired_number_scheduled"),
                ("Current", "currentNumberScheduled", "current_number_scheduled"),
                ("Ready", "numberReady", "number_ready"),
                ("Up-to-date", "updatedNumberScheduled", "updated_number_scheduled"),
                ("Available", "numberAvailable", "number_available"),
            )
        ),
        column(
            "Node Selector",
            lambda ds: labels(ds["spec"]["template"].get("spec", {}).get("nodeSelector")),
            "V1PodSpec.node_selector",
        ),
        AGE,
        *_TEMPLATE,
        _selector("spec", "selector", description="V1DaemonSetSpec.selector"),
    ),
    "batch/Job": (
        NAME,
        column("Status", _job_status, "Status of the job."),
        column("Completions", _completions, "V1JobStatus.succeeded"),
        _Duration(name="Duration", description="Time required to complete the job."),
        AGE,
        *_TEMPLATE,
        _selector("spec", "selector", description="V1JobSpec.selector"),
    ),
    "batch/CronJob": (
        NAME,
        column("Schedule", at("spec", "schedule"), "V1CronJobSpec.schedule"),
        column("Timezone", at("spec", "timeZone", default=NONE), "V1CronJobSpec.time_zone"),
        Column(
            name="Suspend",
            of=lambda cj: str(bool(cj["spec"].get("suspend"))),
            type="boolean",
            description="V1CronJobSpec.suspend",
        ),
        number("Active", lambda cj: len(cj.get("status", {}).get("active") or ()), "V1CronJobStatus.active"),
        _LastSchedule(name="Last Schedule", description="V1CronJobStatus.last_schedule_time"),
        AGE,
        *_template("spec", "jobTemplate", "spec", "template"),
        _selector("spec", "jobTemplate", "spec", "selector", description="V1JobSpec.selector"),
    ),
    "/PodTemplate": (
        NAME,
        column("Containers", _containers("template", field="name"), _NAMES),
        column("Images", _containers("template", field="image"), _IMAGES),
        column(
            "Pod Labels",
            lambda pt: labels(at("template", "metadata", "labels", default=None)(pt)),
            "The labels for the pod template.",
        ),
    ),
    "apps/ControllerRevision": (
        NAME,
        column("Controller", _controller, "Controller of the object"),
        column("Revision", at("revision", default=0), "V1ControllerRevision.revision"),
        AGE,
    ),
}
