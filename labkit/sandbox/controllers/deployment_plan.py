"""What a Deployment needs next: a pure decision from its ReplicaSets."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from labkit.kube import resources
from labkit.kube.resources import Object

REVISION, HISTORY = "deployment.kubernetes.io/revision", "deployment.kubernetes.io/revision-history"
DESIRED, MAXIMUM = "deployment.kubernetes.io/desired-replicas", "deployment.kubernetes.io/max-replicas"
UNCOPIED = ("kubectl.kubernetes.io/last-applied-configuration", REVISION, HISTORY, DESIRED, MAXIMUM)
"""Annotations of a Deployment that are not for its ReplicaSets."""

LETTERS = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do: a ReplicaSet to make, sizes to set, old ones to delete."""

    create: Object | None = None
    sizes: tuple[tuple[str, int], ...] = ()
    """(name of a ReplicaSet, replicas it should have)."""

    notes: tuple[str, Mapping[str, str]] | None = None
    """(name of the newest ReplicaSet, annotations that it lacks)."""

    revision: str = ""
    """The number of the rollout that the newest ReplicaSet stands for."""

    delete: tuple[str, ...] = ()


def template_hash(template: Object, collisions: int = 0) -> str:
    """The ``pod-template-hash`` of a template: ten letters that no word is made of."""
    digest = hashlib.sha256(orjson.dumps([template, collisions], option=orjson.OPT_SORT_KEYS)).digest()
    return "".join(LETTERS[b % len(LETTERS)] for b in digest[:10])


def same_template(a: Object, b: Object) -> bool:
    """Whether two pod templates differ in nothing but the hash label."""
    return _bare(a) == _bare(b)


def _bare(template: Object) -> Object:
    metadata = template.get("metadata") or {}
    labels = {k: v for k, v in (metadata.get("labels") or {}).items() if k != "pod-template-hash"}
    return {**template, "metadata": {**metadata, "labels": labels}}


def plan(deployment: Object, owned: Sequence[Object]) -> Plan:
    """The next step towards what the Deployment asks for."""
    spec = deployment["spec"]
    newest = next((rs for rs in _by_age(owned) if same_template(rs["spec"]["template"], spec["template"])), None)
    revisions = [_revision(rs) for rs in owned]
    if newest is None:
        if spec.get("paused"):
            return Plan()
        return Plan(create=_replica_set(deployment, owned, str(max(revisions, default=0) + 1)))
    others = [rs for rs in owned if rs is not newest]
    highest = max((_revision(rs) for rs in others), default=0)
    revision = str(max(highest + 1, _revision(newest)))
    lacking = _lacking(deployment, newest, revision)
    return Plan(
        sizes=tuple(_sizes(deployment, newest, others)),
        notes=(resources.name_of(newest), lacking) if lacking else None,
        revision=revision,
        delete=tuple(_superfluous(deployment, others)),
    )


def _replica_set(deployment: Object, owned: Sequence[Object], revision: str) -> Object:
    spec = deployment["spec"]
    mark = template_hash(spec["template"], deployment.get("status", {}).get("collisionCount", 0))
    template = {**spec["template"]}
    labels = {**(template.get("metadata", {}).get("labels") or {}), "pod-template-hash": mark}
    template["metadata"] = {**template.get("metadata", {}), "labels": labels}
    selector = {**spec["selector"]}
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), "pod-template-hash": mark}
    asked = spec.get("replicas", 1)
    surge, _ = bounds(deployment)
    room = asked + surge - sum(rs["spec"].get("replicas", 0) for rs in owned)
    annotations = {**_copied(deployment), **size_notes(deployment), REVISION: revision}
    if spec.get("strategy", {}).get("type") == "Recreate" and owned:
        room = 0 if any(rs.get("status", {}).get("replicas") for rs in owned) else asked
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{resources.name_of(deployment)}-{mark}",
            "namespace": resources.namespace_of(deployment),
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": {
            "replicas": max(0, min(asked, room)),
            "selector": selector,
            "template": template,
            **({"minReadySeconds": spec["minReadySeconds"]} if spec.get("minReadySeconds") else {}),
        },
    }


def size_notes(deployment: Object) -> dict[str, str]:
    """Annotations by which a ReplicaSet knows the size of the whole."""
    asked = deployment["spec"].get("replicas", 1)
    return {DESIRED: str(asked), MAXIMUM: str(asked + bounds(deployment)[0])}


def _copied(deployment: Object) -> dict[str, str]:
    """Annotations that a ReplicaSet has from its Deployment, such as the cause of a change."""
    return {k: v for k, v in resources.annotations_of(deployment).items() if k not in UNCOPIED}


def _lacking(deployment: Object, newest: Object, revision: str) -> dict[str, str]:
    """What the annotations of the newest ReplicaSet should say and do not."""
    current = resources.annotations_of(newest)
    expected = {**_copied(deployment), REVISION: revision}
    before = current.get(REVISION, "")
    if before and before != revision:
        expected[HISTORY] = ",".join(filter(None, (current.get(HISTORY, ""), before)))
    return {key: value for key, value in expected.items() if current.get(key) != value}


def owner_reference(owner: Object) -> Object:
    """Of a controller."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": resources.name_of(owner),
        "uid": resources.uid_of(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def bounds(deployment: Object) -> tuple[int, int]:
    """How many pods more, and how many fewer, than asked for a rolling update may have."""
    spec = deployment["spec"]
    if spec.get("strategy", {}).get("type") == "Recreate":
        return 0, spec.get("replicas", 1)
    rolling = spec.get("strategy", {}).get("rollingUpdate") or {}
    asked = spec.get("replicas", 1)
    surge = part(rolling.get("maxSurge", "25%"), asked, up=True)
    fewer = part(rolling.get("maxUnavailable", "25%"), asked, up=False)
    return surge, (1 if not surge and not fewer else fewer)


def part(value: Any, asked: int, *, up: bool) -> int:
    """A number, or the percentage of another: ``part("25%", 3, up=True)`` is 1."""
    if isinstance(value, int):
        return value
    hundredths = int(str(value).removesuffix("%")) * asked
    return -(-hundredths // 100) if up else hundredths // 100


def _sizes(deployment: Object, newest: Object, others: Sequence[Object]) -> Sequence[tuple[str, int]]:
    asked = deployment["spec"].get("replicas", 1)
    old_total = sum(rs["spec"].get("replicas", 0) for rs in others)
    have = newest["spec"].get("replicas", 0)
    changes: dict[str, int] = {}
    if deployment["spec"].get("strategy", {}).get("type") == "Recreate":
        changes.update({resources.name_of(rs): 0 for rs in others if rs["spec"].get("replicas", 0)})
        running = any(rs.get("status", {}).get("replicas") for rs in others)
        if not running and have != asked:
            changes[resources.name_of(newest)] = asked
        return list(changes.items())
    surge, fewer = bounds(deployment)
    if have > asked or not others or not old_total:
        size = asked
    else:
        size = min(asked, have + max(0, asked + surge - have - old_total))
    if size != have:
        changes[resources.name_of(newest)] = size
    available = sum(rs.get("status", {}).get("availableReplicas", 0) for rs in [newest, *others])
    spare = available - (asked - fewer)
    for rs in _by_age(others):
        size = rs["spec"].get("replicas", 0)
        unready = size - min(size, rs.get("status", {}).get("availableReplicas", 0))
        less = min(size, unready + max(0, spare))
        if less:
            spare -= max(0, less - unready)
            changes[resources.name_of(rs)] = size - less
    return list(changes.items())


def _superfluous(deployment: Object, others: Sequence[Object]) -> Sequence[str]:
    keep = deployment["spec"].get("revisionHistoryLimit", 10)
    idle = [rs for rs in others if not rs["spec"].get("replicas") and not rs.get("status", {}).get("replicas")]
    idle.sort(key=_revision)
    return [resources.name_of(rs) for rs in idle[: max(0, len(idle) - keep)]]


def _by_age(sets: Sequence[Object]) -> list[Object]:
    return sorted(sets, key=lambda rs: (rs["metadata"].get("creationTimestamp", ""), resources.name_of(rs)))


def _revision(rs: Object) -> int:
    text = resources.annotations_of(rs).get(REVISION, "0")
    return int(text) if text.isdigit() else 0
