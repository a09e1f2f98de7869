"""The table of pods: one word for all that may be going on in one."""

import datetime
from collections.abc import Iterator
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.tables.columns import AGE, NAME, NONE, Column, age, at, column, wide


class _Summary:
    """What the containers of one pod add up to."""

    def __init__(self, pod: Object) -> None:
        spec, self.status = pod.get("spec") or {}, pod.get("status") or {}
        self.inits = {c["name"]: c for c in spec.get("initContainers") or ()}
        sidecars = [c for c in self.inits.values() if c.get("restartPolicy") == "Always"]
        self.total = len(spec.get("containers") or ()) + len(sidecars)
        self.ready = self.restarts = 0
        self.last_restart = ""
        self.reason = self.status.get("reason") or self.status.get("phase") or ""
        for condition in self.status.get("conditions") or ():
            if condition["type"] == "PodScheduled" and condition.get("reason") == "SchedulingGated":
                self.reason = "SchedulingGated"
        initializing = self._init_containers()
        if not initializing or self._is_true("Initialized"):
            self._containers()
        if pod["metadata"].get("deletionTimestamp"):
            if self.status.get("reason") == "NodeLost":
                self.reason = "Unknown"
            elif self.status.get("phase") not in ("Succeeded", "Failed"):
                self.reason = "Terminating"

    def _is_true(self, kind: str) -> bool:
        return any(c["type"] == kind and c["status"] == "True" for c in self.status.get("conditions") or ())

    def _is_sidecar(self, status: Object) -> bool:
        return bool(self.inits.get(status["name"], {}).get("restartPolicy") == "Always")

    def _count(self, status: Object) -> None:
        self.restarts += status.get("restartCount") or 0
        ended = ((status.get("lastState") or {}).get("terminated") or {}).get("finishedAt") or ""
        self.last_restart = max(self.last_restart, ended)

    def _init_containers(self) -> bool:
        """Count them up to the first that is not done; True while there is one."""
        for at_index, status in enumerate(self.status.get("initContainerStatuses") or ()):
            self._count(status)
            state = status.get("state") or {}
            ended, waiting = state.get("terminated"), state.get("waiting") or {}
            if ended is not None and not ended.get("exitCode"):
                continue
            if self._is_sidecar(status) and status.get("started"):
                self.ready += bool(status.get("ready"))
                continue
            if ended is not None:
                self.reason = f"Init:{_ending(ended)}"
            elif waiting.get("reason") not in (None, "", "PodInitializing"):
                self.reason = f"Init:{waiting['reason']}"
            else:
                self.reason = f"Init:{at_index}/{len(self.inits)}"
            return True
        return False

    def _containers(self) -> None:
        self.restarts, self.last_restart = 0, ""
        for status in self.status.get("initContainerStatuses") or ():
            if self._is_sidecar(status):
                self._count(status)
        is_running = False
        for status in reversed(self.status.get("containerStatuses") or ()):
            self._count(status)
            state = status.get("state") or {}
            waiting, ended = state.get("waiting") or {}, state.get("terminated")
            if waiting.get("reason"):
                self.reason = waiting["reason"]
            elif ended is not None:
                self.reason = _ending(ended)
            elif status.get("ready") and state.get("running") is not None:
                is_running = True
                self.ready += 1
        if self.reason == "Completed" and is_running:
            self.reason = "Running" if self._is_true("Ready") else "NotReady"


def _ending(ended: Object) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    signal = ended.get("signal")
    return f"Signal:{signal}" if signal else f"ExitCode:{ended.get('exitCode', 0)}"


class _Restarts(Column):
    """How often containers restarted, and when last."""

    def cell(self, obj: Object, now: datetime.datetime) -> Any:
        summary = _Summary(obj)
        when = f" ({age(summary.last_restart, now)} ago)" if summary.restarts and summary.last_restart else ""
        return f"{summary.restarts}{when}"


def _ready(pod: Object) -> str:
    summary = _Summary(pod)
    return f"{summary.ready}/{summary.total}"


def _address(pod: Object) -> str:
    addresses = pod.get("status", {}).get("podIPs") or [{"ip": pod.get("status", {}).get("podIP")}]
    return addresses[0].get("ip") or NONE


def _gates(pod: Object) -> str:
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or ()]
    conditions = pod.get("status", {}).get("conditions") or ()
    true = {c["type"] for c in conditions if c["status"] == "True"}
    return f"{len(true & set(gates))}/{len(gates)}" if gates else NONE


def row_conditions(pod: Object) -> list[Object]:
    """What a table row says of a pod that is done: kubectl hides such rows on request."""
    phase = (pod.get("status") or {}).get("phase")
    messages = {"Succeeded": "The pod has completed successfully.", "Failed": "The pod failed."}
    return list(_conditions(phase, messages.get(phase or "")))


def _conditions(phase: str | None, message: str | None) -> Iterator[Object]:
    if message:
        yield {"type": "Completed", "status": "True", "reason": phase, "message": message}


TABLES = {
    "/Pod": (
        NAME,
        column("Ready", _ready, "The aggregate readiness state of this pod for accepting traffic."),
        column(
            "Status",
            lambda pod: _Summary(pod).reason,
            "The aggregate status of the containers in this pod.",
        ),
        _Restarts(
            name="Restarts",
            description="The number of times the containers in this pod have been restarted"
            " and when the last container in this pod has restarted.",
        ),
        AGE,
        wide("IP", _address, "V1PodStatus.pod_ip"),
        wide("Node", at("spec", "nodeName", default=NONE), "V1PodSpec.node_name"),
        wide(
            "Nominated Node",
            at("status", "nominatedNodeName", default=NONE),
            "V1PodStatus.nominated_node_name",
        ),
        wide("Readiness Gates", _gates, "V1PodSpec.readiness_gates"),
    )
}
