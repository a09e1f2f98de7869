"""Whether a Deployment is still on its way, and why its pods are not ready."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from labkit.exercises.diagnosis import cause, objects
from labkit.exercises.diagnosis.cause import Cause
from labkit.exercises.evidence import Evidence
from labkit.kube import resources
from labkit.kube.resources import Object

STUCK = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CrashLoopBackOff", "CreateContainerConfigError")
"""Reasons of a waiting container that more waiting does not cure."""

ALIKE = 0.6
"""From which ratio of difflib another Deployment is somebody's attempt: ``hello-two`` for ``hello-v2``."""

NEVER_STARTED = ("StartError", "ContainerCannotRun")
"""Reasons of a container that ended before its program ran."""

OTHER_KINDS = (
    resources.STATEFUL_SETS,
    resources.DAEMON_SETS,
    resources.REPLICA_SETS,
    resources.JOBS,
    resources.PODS,
)
"""What else starts pods, where a Deployment is asked for."""

PROXY = "istio-proxy"
SWITCH = "sidecar.istio.io/inject"
INJECTION = "istio-injection"
REVISION = "istio.io/rev"


def is_done(deployment: Object) -> bool:
    """Whether all of its pods are of its present template and available."""
    state, count = deployment.get("status") or {}, objects.spec_of(deployment).get("replicas", 1)
    is_seen = state.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 1)
    return is_seen and all(state.get(k, 0) == count for k in ("updatedReplicas", "availableReplicas", "replicas"))


def is_under_way(deployment: Object, pods: Iterable[Object]) -> bool:
    """Whether waiting may help: it is not done, and none of its pods is stuck."""
    if is_done(deployment):
        return False
    own = list(pods)
    if any(has_no_node(pod) for pod in own):
        return False
    return not any(_reason(status) in STUCK or _has_failed(status) for pod in own for status in _statuses(pod))


def has_no_node(pod: Object) -> bool:
    """Whether the scheduler has said that no node takes it."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(c.get("type") == "PodScheduled" and c.get("status") == "False" for c in conditions)


def youngest_start(pods: Iterable[Object]) -> str:
    """When the container that began last did so, as the API writes times; empty when none runs."""
    running = [(status.get("state") or {}).get("running") or {} for pod in pods for status in _statuses(pod)]
    return max((str(state.get("startedAt", "")) for state in running), default="")


def pods_of(deployment: Object, pods: Iterable[Object]) -> list[Object]:
    """Its pods, by the names of its ReplicaSets; those on their way out left out."""
    name, namespace = resources.name_of(deployment), resources.namespace_of(deployment)
    return [
        pod
        for pod in pods
        if "deletionTimestamp" not in pod["metadata"]
        and resources.namespace_of(pod) in ("", namespace)
        and str((resources.owner_of(pod) or {}).get("name", "")).rpartition("-")[0] == name
    ]


def is_ready(pod: Object) -> bool:
    """By its condition Ready."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def has_proxy(pod: Object) -> bool:
    """Whether it has a sidecar; Istio's is an init container that keeps running."""
    spec = objects.spec_of(pod)
    return any(c.get("name") == PROXY for c in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])])


def injects(namespace: Object | None) -> bool:
    """Whether new pods of a namespace get a sidecar, by its labels."""
    labels = resources.labels_of(namespace or {})
    return labels.get(INJECTION) == "enabled" or (INJECTION not in labels and bool(labels.get(REVISION)))


def not_ready(deployment: Object, pods: Iterable[Object]) -> Cause:
    """Why it has too few ready pods."""
    own = pods_of(deployment, pods)
    name, namespace = resources.name_of(deployment), resources.namespace_of(deployment)
    look = f'lab.kubectl("describe pods -n {namespace}")'
    if objects.spec_of(deployment).get("replicas", 1) == 0:
        return cause.shown(f"Deployment {name} asks for no pods: its spec says replicas: 0")
    for pod in own:
        for reason in _reasons(pod):
            return cause.shown(reason, look)
    if not own:
        told = [
            str(c.get("message", "")) for c in (deployment.get("status") or {}).get("conditions") or []
            if c.get("type") == "ReplicaFailure" and c.get("status") == "True"
        ]  # fmt: skip
        return cause.shown(f"no pod was created: {told[0]}" if told else f"Deployment {name} has no pod so far", look)
    return cause.undecided(f"the pods of {name} are not ready so far, and no container says why", look)


def _statuses(pod: Object) -> list[Mapping[str, Any]]:
    state = pod.get("status") or {}
    return [*(state.get("initContainerStatuses") or []), *(state.get("containerStatuses") or [])]


def _reason(status: Mapping[str, Any]) -> str:
    return str(((status.get("state") or {}).get("waiting") or {}).get("reason", ""))


def _has_failed(status: Mapping[str, Any]) -> bool:
    """Ended, and not for the first time: after that the kubelet starts a container again at once."""
    return not status.get("ready") and bool(status.get("restartCount"))


def _reasons(pod: Object) -> Iterator[str]:
    name = resources.name_of(pod)
    for status in _statuses(pod):
        reason, container = _reason(status), status.get("name", "")
        if reason in ("ErrImagePull", "ImagePullBackOff", "InvalidImageName"):
            yield f"the image {status.get('image') or '?'} of pod {name} cannot be had ({reason}): see its name and tag"
            continue
        ended = {**(status.get("lastState") or {}), **(status.get("state") or {})}.get("terminated")
        ended = ended or (status.get("lastState") or {}).get("terminated")
        if ended and not status.get("ready"):
            code = ended.get("exitCode", "?")
            if ended.get("reason") in NEVER_STARTED:
                told = ended.get("message") or f"exit code {code}"
                yield f"the container {container} of pod {name} cannot be started: {told}"
                continue
            yield (
                f"the container {container} of pod {name} ends with exit code {code} and is started again: its command "
                "must keep running"
            )
        elif reason and reason not in ("ContainerCreating", "PodInitializing"):
            yield f"the container {container} of pod {name} waits: {reason}"
        elif "running" in (status.get("state") or {}) and not status.get("ready") and _is_probed(pod, container):
            yield f"the container {container} of pod {name} runs, and its readiness probe fails"
    for condition in (pod.get("status") or {}).get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            yield f"pod {name} has no node: {condition.get('message', condition.get('reason', ''))}"


def _is_probed(pod: Object, container: str) -> bool:
    """Whether a probe decides when the container is ready; without one it is as soon as it runs."""
    spec = objects.spec_of(pod)
    every = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    return any(c.get("name") == container and ("readinessProbe" in c or "startupProbe" in c) for c in every)


def another_kind(evidence: Evidence, name: str, namespace: str) -> str:
    """What has the name of a missing Deployment and is none; empty when nothing has it."""
    for kind in OTHER_KINDS:
        # Listed, not read by name: a kind that this user may not read is none that they created.
        named = (obj for obj in evidence.resources(kind, namespace) if resources.name_of(obj) == name)
        if any(resources.owner_of(obj) is None for obj in named):
            alone = " that stands alone" if kind == resources.PODS else ""
            return f"{name} is a {kind.kind}{alone}; the exercise wants a Deployment, which makes pods"
    return ""


def why_missing(name: str, namespace: str, deployments: Iterable[Object], *, given: Collection[str] = ()) -> Cause:
    """Why there is no Deployment of this name: another namespace, another name, or not applied.

    ``given`` names those of the lesson itself, which are nobody's attempt; ``deployments`` are oldest first.
    """
    others = [d for d in deployments if resources.name_of(d) not in given]
    same = [d for d in others if resources.name_of(d) == name]
    if same:
        place = resources.namespace_of(same[0])
        return cause.shown(f"Deployment {name} is in namespace {place}; the exercise wants it in {namespace}")
    near = [resources.name_of(d) for d in others if resources.namespace_of(d) == namespace]
    close = next((other for other in reversed(near) if objects.nearest(name, [other], similar=ALIKE)), "")
    if close:
        return cause.near(f"there is a Deployment {close}; the exercise wants the name {name}")
    return cause.undecided("nothing of that name is applied so far")
