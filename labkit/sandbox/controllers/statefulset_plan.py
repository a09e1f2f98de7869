"""What a StatefulSet needs next: a pure decision from its pods and its two revisions."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.sandbox.controllers import podstates
from labkit.sandbox.controllers.deployment_plan import owner_reference
from labkit.sandbox.controllers.podcontrol import pod_of

POD_NAME, POD_INDEX = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"
REVISION = "controller-revision-hash"
"""The label of pods that names their revision."""

_ORDINAL = re.compile(r"(.*)-([0-9]+)")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The next step; in an ordered set it is one pod at a time."""

    create: tuple[Object, ...] = ()
    delete: tuple[Object, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A StatefulSet, its pods and its revisions at one moment."""

    owner: Object
    pods: Sequence[Object]
    current: Object
    """The ControllerRevision that the set comes from."""

    update: Object
    """The ControllerRevision of its present template."""

    now: str

    @property
    def first(self) -> int:
        """The lowest ordinal."""
        return int((self.owner["spec"].get("ordinals") or {}).get("start", 0))

    @property
    def size(self) -> int:
        """How many pods it asks for."""
        return int(self.owner["spec"].get("replicas", 1))

    @property
    def range(self) -> range:
        """The ordinals of its pods."""
        return range(self.first, self.first + self.size)

    @property
    def partition(self) -> int | None:
        """Ordinals below it keep the current revision; None where the strategy has no such part."""
        rolling = (self.owner["spec"].get("updateStrategy") or {}).get("rollingUpdate")
        return None if rolling is None else int(rolling.get("partition", 0))

    def is_available(self, pod: Object) -> bool:
        """Whether a pod has been ready for ``minReadySeconds``."""
        return podstates.is_available(pod, self.owner["spec"].get("minReadySeconds", 0), self.now)

    def is_healthy(self, pod: Object) -> bool:
        """Whether it is available and stays."""
        return self.is_available(pod) and not pod["metadata"].get("deletionTimestamp")


def ordinal_of(owner: Object, name: str) -> int | None:
    """``2`` for the pod ``db-2`` of ``db``; None for a name that is not one of its pods."""
    parts = _ORDINAL.fullmatch(name)
    return int(parts[2]) if parts and parts[1] == resources.name_of(owner) else None


def plan(seen: Seen) -> Plan:
    """The next step towards what the StatefulSet asks for."""
    if seen.owner["metadata"].get("deletionTimestamp"):
        return Plan()
    by_ordinal = {ordinal_of(seen.owner, resources.name_of(pod)): pod for pod in seen.pods}
    replicas = [(number, by_ordinal.get(number)) for number in seen.range]
    condemned = [
        by_ordinal[n] for n in sorted((n for n in by_ordinal if n is not None), reverse=True) if n not in seen.range
    ]
    is_ordered = seen.owner["spec"].get("podManagementPolicy", "OrderedReady") != "Parallel"
    if is_ordered:
        step = _next_replica(seen, replicas) or _next_condemned(seen, replicas, condemned)
        if step is not None:
            return step
    else:
        ended = tuple(pod for _, pod in replicas if pod is not None and podstates.has_ended(pod) and _stays(pod))
        missing = tuple(pod_at(seen, number) for number, pod in replicas if pod is None)
        leaving = tuple(pod for pod in condemned if _stays(pod))
        if ended or missing or leaving:
            return Plan(create=missing, delete=(*ended, *leaving))
    return _rolled(seen, [pod for _, pod in replicas if pod is not None])


def _next_replica(seen: Seen, replicas: Sequence[tuple[int, Object | None]]) -> Plan | None:
    """The first pod in order that is missing, has ended or has to be waited for; None when all are well."""
    for number, pod in replicas:
        if pod is None:
            return Plan(create=(pod_at(seen, number),))
        if podstates.has_ended(pod):
            return Plan(delete=(pod,) if _stays(pod) else ())
        if not seen.is_healthy(pod):
            return Plan()
    return None


def _next_condemned(
    seen: Seen, replicas: Sequence[tuple[int, Object | None]], condemned: Sequence[Object]
) -> Plan | None:
    """The pod of the highest ordinal beyond the range goes first, once no other is unhealthy."""
    if not condemned:
        return None
    pod = condemned[0]
    candidates = [*(p for _, p in replicas if p is not None), *reversed(condemned)]
    first_unhealthy = next((p for p in candidates if not seen.is_healthy(p)), None)
    if not _stays(pod) or (not seen.is_available(pod) and pod is not first_unhealthy):
        return Plan()
    return Plan(delete=(pod,))


def _rolled(seen: Seen, replicas: Sequence[Object]) -> Plan:
    """The pod of the highest ordinal that has another template goes, when those above it are well again."""
    if (seen.owner["spec"].get("updateStrategy") or {}).get("type", "RollingUpdate") == "OnDelete":
        return Plan()
    lowest = seen.partition or 0
    for at in range(len(replicas) - 1, lowest - 1, -1):
        pod = replicas[at]
        if revision_of(pod) != resources.name_of(seen.update) and _stays(pod):
            return Plan(delete=(pod,))
        if not seen.is_healthy(pod):
            return Plan()
    return Plan()


def _stays(pod: Object) -> bool:
    return not pod["metadata"].get("deletionTimestamp")


def revision_of(pod: Object) -> str:
    """The name of the ControllerRevision that a pod was made of."""
    return resources.labels_of(pod).get(REVISION, "")


def pod_at(seen: Seen, number: int) -> Object:
    """The pod of an ordinal, of the revision that is its turn."""
    at = number - seen.first
    before = (seen.owner.get("status") or {}).get("currentReplicas", 0) if seen.partition is None else seen.partition
    strategy = (seen.owner["spec"].get("updateStrategy") or {}).get("type", "RollingUpdate")
    is_old = strategy == "RollingUpdate" and at < before
    revision = seen.current if is_old else seen.update
    template = {k: v for k, v in revision["data"]["spec"]["template"].items() if k != "$patch"}
    name = f"{resources.name_of(seen.owner)}-{number}"
    labels = {
        **((template.get("metadata") or {}).get("labels") or {}),
        REVISION: resources.name_of(revision),
        POD_NAME: name,
        POD_INDEX: str(number),
    }
    pod = pod_of(seen.owner, template, name=name, labels=labels)
    claims = {claim["metadata"]["name"]: claim_name(claim, name) for claim in templates(seen.owner)}
    volumes = [
        *({"name": volume, "persistentVolumeClaim": {"claimName": claim}} for volume, claim in claims.items()),
        *(v for v in template["spec"].get("volumes") or [] if v["name"] not in claims),
    ]
    spec = {**template["spec"], "hostname": name, "subdomain": seen.owner["spec"].get("serviceName", "")}
    return {**pod, "spec": {**spec, **({"volumes": volumes} if volumes else {})}}


def templates(owner: Object) -> Iterable[Object]:
    """Its ``volumeClaimTemplates``."""
    listed: list[Object] = owner["spec"].get("volumeClaimTemplates") or []
    return listed


def claim_name(template: Object, pod: str) -> str:
    """``data-db-0``."""
    return f"{template['metadata']['name']}-{pod}"


def claims_of(owner: Object, pod: str) -> list[Object]:
    """The PersistentVolumeClaims of one pod."""
    fits = (owner["spec"].get("selector") or {}).get("matchLabels") or {}
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {
                **{k: v for k, v in template["metadata"].items() if k == "annotations" and v},
                "name": claim_name(template, pod),
                "namespace": resources.namespace_of(owner),
                "labels": {**(template["metadata"].get("labels") or {}), **fits},
            },
            "spec": template["spec"],
        }
        for template in templates(owner)
    ]


def claim_owners(seen: Seen, pod: Object, before: Sequence[Object]) -> list[Object]:
    """The owner references of a pod's claims, as ``persistentVolumeClaimRetentionPolicy`` wants them."""
    policy = seen.owner["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    own = {resources.uid_of(seen.owner), resources.uid_of(pod)}
    kept = [reference for reference in before if reference["uid"] not in own]
    is_condemned = ordinal_of(seen.owner, resources.name_of(pod)) not in seen.range
    if policy.get("whenScaled") == "Delete" and is_condemned:
        return [*kept, owner_reference(pod)]
    return [*kept, owner_reference(seen.owner)] if policy.get("whenDeleted") == "Delete" else kept


def status(seen: Seen, collisions: int) -> Object:
    """The StatefulSet's status."""
    staying = [pod for pod in seen.pods if _stays(pod)]
    current, update = resources.name_of(seen.current), resources.name_of(seen.update)
    running = [pod for pod in seen.pods if (pod.get("status") or {}).get("phase") == "Running"]
    numbers = {
        "readyReplicas": sum(podstates.is_ready(pod) for pod in running),
        "currentReplicas": sum(revision_of(pod) == current for pod in staying),
        "updatedReplicas": sum(revision_of(pod) == update for pod in staying),
    }
    strategy = (seen.owner["spec"].get("updateStrategy") or {}).get("type", "RollingUpdate")
    is_through = {len(seen.pods), numbers["readyReplicas"], numbers["updatedReplicas"]} == {seen.size}
    if strategy == "RollingUpdate" and is_through:
        current, numbers["currentReplicas"] = update, numbers["updatedReplicas"]
    return {
        "observedGeneration": seen.owner["metadata"].get("generation", 1),
        "replicas": len(seen.pods),
        **{name: number for name, number in numbers.items() if number},
        "currentRevision": current,
        "updateRevision": update,
        "collisionCount": collisions,
        "availableReplicas": sum(seen.is_available(pod) for pod in running),
    }
