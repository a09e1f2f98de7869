"""A pod's status as a pure function of what is known of its containers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labkit.kube.resources import Object


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What is known of one container; replaced, never changed."""

    state: Object = field(default_factory=dict)
    """``{"waiting": …}``, ``{"running": …}`` or ``{"terminated": …}``; empty before its turn."""

    last: Object = field(default_factory=dict)
    """``{"terminated": …}`` of the life before this one; empty in the first."""

    ready: bool = False
    started: bool = False
    restarts: int = 0
    container_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What, besides its containers, a pod's status depends on."""

    now: str
    """RFC 3339, seconds."""

    ip: str = ""
    host_ip: str = "127.0.0.1"
    start_time: str = ""
    has_network: bool = False
    """Whether address and volumes are there."""

    is_too_old: bool = False
    """Whether the pod was active longer than its ``activeDeadlineSeconds``."""

    is_ending: bool = False
    """Whether the pod is being deleted: then a container that stopped stays stopped."""


DEADLINE = "DeadlineExceeded"
"""The reason of a pod that was active too long."""


def seed_of(before: Mapping[str, Any] | None, now: str) -> Observed:
    """What a container of an earlier run of the sandbox begins with: a life that was cut off counts as one."""
    if not before:
        return Observed()
    state, last, restarts = before.get("state") or {}, before.get("lastState") or {}, before["restartCount"]
    if "running" in state:
        cut = {
            "exitCode": 255,
            "reason": "Unknown",
            "startedAt": state["running"].get("startedAt") or now,
            "finishedAt": now,
            "containerID": before.get("containerID", ""),
        }
        return Observed(last={"terminated": cut}, restarts=restarts + 1)
    if "terminated" in state:
        return Observed(last=state, restarts=restarts + 1)
    # Waiting for its next life when it was cut off: that life begins now.
    return Observed(last=last, restarts=restarts + 1 if last else restarts)


def restarts_after(policy: str, exit_code: int) -> bool:
    """Whether a container is started again when it ends so."""
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def is_sidecar(container: Object) -> bool:
    """An init container that stays: ``restartPolicy: Always``."""
    return container.get("restartPolicy") == "Always"


def status_of(pod: Object, seen: Mapping[str, Observed], scene: Scene) -> Object:
    """The fields of ``status`` that a kubelet writes."""
    spec, old = pod["spec"], pod.get("status") or {}
    inits, mains = spec.get("initContainers") or [], spec["containers"]
    phase = _settled(old) or ("Failed" if scene.is_too_old else _phase(spec, inits, mains, seen, scene))
    written: Object = {
        "observedGeneration": pod["metadata"].get("generation", 1),
        "phase": phase,
        "hostIP": scene.host_ip,
        "hostIPs": [{"ip": scene.host_ip}],
        "startTime": old.get("startTime") or scene.start_time or scene.now,
        "containerStatuses": [_container(c, seen, waiting=_waiting(inits)) for c in by_name(mains)],
        "conditions": _conditions(pod, phase, inits, mains, seen, scene),
    }
    if debuggers := spec.get("ephemeralContainers"):
        written["ephemeralContainerStatuses"] = [_container(c, seen, waiting="ContainerCreating") for c in debuggers]
    if inits:
        written["initContainerStatuses"] = [_container(c, seen, waiting="PodInitializing") for c in inits]
    if scene.is_too_old:
        written |= {"reason": DEADLINE, "message": "Pod was active on the node longer than the specified deadline"}
    if scene.ip:
        written |= {"podIP": scene.ip, "podIPs": [{"ip": scene.ip}]}
    return written


def by_name(containers: Sequence[Object]) -> list[Object]:
    """As kubelets list them."""
    return sorted(containers, key=lambda c: str(c["name"]))


def _waiting(inits: Sequence[Object]) -> str:
    return "PodInitializing" if inits else "ContainerCreating"


def _settled(old: Object) -> str:
    """A phase that no container can change any more."""
    return old["phase"] if old.get("phase") in ("Succeeded", "Failed") else ""


def _container(container: Object, seen: Mapping[str, Observed], *, waiting: str) -> Object:
    observed = seen.get(container["name"], Observed())
    state = observed.state or {"waiting": {"reason": waiting}}
    written: Object = {
        "name": container["name"],
        "image": container["image"],
        "imageID": "" if "waiting" in state and not observed.container_id else f"catalogue://{container['image']}",
        "state": state,
        "lastState": observed.last,
        "ready": observed.ready,
        "started": observed.started,
        "restartCount": observed.restarts,
        "resources": container.get("resources") or {},
    }
    if observed.container_id:
        written["containerID"] = observed.container_id
    if requests := (container.get("resources") or {}).get("requests"):
        written["allocatedResources"] = requests
    if mounts := container.get("volumeMounts"):
        written["volumeMounts"] = [_mount(m) for m in mounts]
    return written


def _mount(mount: Object) -> Object:
    written = {"name": mount["name"], "mountPath": mount["mountPath"]}
    return written | ({"readOnly": True, "recursiveReadOnly": "Disabled"} if mount.get("readOnly") else {})


def is_initialized(containers: Sequence[Object], seen: Mapping[str, Observed]) -> bool:
    """Whether every init container has done its part: ended well, or, a sidecar, started."""
    return not list(_uninitialized(containers, seen))


def _uninitialized(containers: Sequence[Object], seen: Mapping[str, Observed]) -> Iterator[str]:
    for container in containers:
        observed = seen.get(container["name"], Observed())
        done = observed.started if is_sidecar(container) else _exit_code(observed.state) == 0
        # A sidecar that has been told to end did its part before.
        if not done and not (is_sidecar(container) and "terminated" in observed.state):
            yield container["name"]


def _exit_code(state: Object) -> int | None:
    ended = state.get("terminated")
    return None if ended is None else int(ended["exitCode"])


def _phase(
    spec: Object,
    inits: Sequence[Object],
    mains: Sequence[Object],
    seen: Mapping[str, Observed],
    scene: Scene,
) -> str:
    policy = spec.get("restartPolicy", "Always")
    states = [seen.get(c["name"], Observed()) for c in mains]
    if policy == "Never" and any(_failed_init(c, seen) for c in inits):
        return "Failed"
    has_begun = any(s.state.keys() & {"running", "terminated"} or s.last for s in states)
    if not has_begun and not is_initialized(inits, seen):
        return "Failed" if scene.is_ending and _all_ended([*inits, *mains], seen) else "Pending"
    codes = [_exit_code(s.state) for s in states]
    if all(code is not None for code in codes):
        if scene.is_ending or not any(restarts_after(policy, code) for code in codes if code is not None):
            return "Succeeded" if not any(codes) else "Failed"
        return "Running"
    if any(("waiting" in s.state and not s.last) or not s.state for s in states):
        return "Pending"
    return "Running"


def _all_ended(containers: Sequence[Object], seen: Mapping[str, Observed]) -> bool:
    return all("running" not in seen.get(c["name"], Observed()).state for c in containers)


def _failed_init(container: Object, seen: Mapping[str, Observed]) -> bool:
    if is_sidecar(container):
        return False
    return bool(_exit_code(seen.get(container["name"], Observed()).state))


def _conditions(
    pod: Object,
    phase: str,
    inits: Sequence[Object],
    mains: Sequence[Object],
    seen: Mapping[str, Observed],
    scene: Scene,
) -> list[Object]:
    over = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(phase)
    not_initialized = sorted(_uninitialized(inits, seen)) if over != "PodCompleted" else []
    sidecars = [c for c in inits if is_sidecar(c)]
    unready = [c["name"] for c in [*sidecars, *by_name(mains)] if not seen.get(c["name"], Observed()).ready]
    containers: Object = {"status": "True"}
    if over:
        containers = {"status": "False", "reason": over}
    elif unready:
        names = " ".join(unready)
        containers = {
            "status": "False",
            "reason": "ContainersNotReady",
            "message": f"containers with unready status: [{names}]",
        }
    ready = containers if containers["status"] == "False" else _gates(pod) or containers
    initialized: Object = {"status": "True"} | ({"reason": over} if over == "PodCompleted" else {})
    if not_initialized:
        initialized = {
            "status": "False",
            "reason": "ContainersNotInitialized",
            "message": f"containers with incomplete status: [{' '.join(not_initialized)}]",
        }
    computed: dict[str, Object] = {
        "PodReadyToStartContainers": {"status": str(scene.has_network)},
        "Initialized": initialized,
        "Ready": ready,
        "ContainersReady": containers,
        "PodScheduled": {"status": "True"},
    }
    old = {c["type"]: c for c in (pod.get("status") or {}).get("conditions") or []}
    generation = pod["metadata"].get("generation", 1)
    return [_dated(name, c, old.get(name), scene.now, generation) for name, c in computed.items()]


def _gates(pod: Object) -> Object | None:
    """Not ready because of a readiness gate that is not passed."""
    conditions = {c["type"]: c["status"] for c in (pod.get("status") or {}).get("conditions") or []}
    for gate in pod["spec"].get("readinessGates") or []:
        if conditions.get(gate["conditionType"]) != "True":
            what = f'corresponding condition of pod readiness gate "{gate["conditionType"]}"'
            return {
                "status": "False",
                "reason": "ReadinessGatesNotReady",
                "message": f"{what} does not exist."
                if gate["conditionType"] not in conditions
                else f'the status of pod readiness gate "{gate["conditionType"]}" is not "True", '
                f"but {conditions[gate['conditionType']]}",
            }
    return None


def _dated(name: str, condition: Object, old: Object | None, now: str, generation: int) -> Object:
    since = old["lastTransitionTime"] if old and old.get("status") == condition["status"] else None
    return {
        "type": name,
        **condition,
        "lastProbeTime": None,
        "lastTransitionTime": since or now,
        "observedGeneration": generation,
    }


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Object:
    """The part of ``new`` that differs, as a strategic merge patch of ``old``: dropped keys become null."""
    changed = {key: value for key, value in new.items() if old.get(key) != value}
    if "conditions" in changed:
        before = {c["type"]: c for c in old.get("conditions") or []}
        changed["conditions"] = [
            c | {key: None for key in before.get(c["type"], {}) if key not in c}
            for c in new["conditions"]
            if before.get(c["type"]) != c
        ]
        if not changed["conditions"]:
            del changed["conditions"]
    return changed
