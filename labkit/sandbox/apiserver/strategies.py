"""What the server itself writes into objects on create and update, besides defaults."""

import copy
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.schemas import Schema

LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""Of generated names: no vowels, so no words; no digits that look like letters."""

COUNTED = frozenset(
    [
        "pods",
        "deployments.apps",
        "replicasets.apps",
        "daemonsets.apps",
        "statefulsets.apps",
        "jobs.batch",
        "cronjobs.batch",
        "ingresses.networking.k8s.io",
        "networkpolicies.networking.k8s.io",
        "poddisruptionbudgets.policy",
        "endpointslices.discovery.k8s.io",
        "replicationcontrollers",
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
        "customresourcedefinitions.apiextensions.k8s.io",
        "priorityclasses.scheduling.k8s.io",
    ]
)
"""Built-in resources whose ``metadata.generation`` counts changes of what was asked for; custom ones all do."""


@dataclass(frozen=True, kw_only=True)
class Write:
    """Where an object is written to."""

    schema: Schema
    storage: str
    subresource: str = ""

    @property
    def has_status(self) -> bool:
        """Whether status is written through its own path only."""
        return "status" in self.schema.subresources

    @property
    def is_counted(self) -> bool:
        """Whether the object has a generation."""
        return self.schema.custom is not None or self.storage in COUNTED


def for_create(write: Write, obj: Object) -> Object:
    """The object as it starts its life: no status of the user's, generation 1, a first status of the server's."""
    made = {**obj, "metadata": dict(obj["metadata"])}
    if write.has_status and write.storage != "nodes":
        made.pop("status", None)
    if write.is_counted:
        made["metadata"]["generation"] = 1
    first = FIRST_STATUS.get(write.storage)
    if first is not None:
        made["status"] = copy.deepcopy(first)
    if write.storage == "namespaces":
        made["spec"] = {**made.get("spec", {}), "finalizers": ["kubernetes"]}
        labels = dict(made["metadata"].get("labels") or {})
        labels["kubernetes.io/metadata.name"] = made["metadata"]["name"]
        made["metadata"]["labels"] = labels
    if write.storage == "pods":
        made["status"] = {"phase": "Pending", "qosClass": qos_class(made)}
    if write.storage == "jobs.batch":
        _select_job(made)
    return made


FIRST_STATUS: Mapping[str, Object] = {
    "namespaces": {"phase": "Active"},
    "deployments.apps": {},
    "replicasets.apps": {"replicas": 0},
    "statefulsets.apps": {"replicas": 0, "availableReplicas": 0},
    "jobs.batch": {},
    "services": {"loadBalancer": {}},
    "daemonsets.apps": {
        "currentNumberScheduled": 0,
        "numberMisscheduled": 0,
        "desiredNumberScheduled": 0,
        "numberReady": 0,
    },
}


def for_update(write: Write, new: Object, old: Object) -> Object:
    """The object as it goes on: fields of the server's own kept, status or spec kept by the path written to."""
    metadata = dict(new["metadata"])
    for kept in ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"):
        if kept in old["metadata"]:
            metadata[kept] = old["metadata"][kept]
        else:
            metadata.pop(kept, None)
    made = {**new, "metadata": metadata}
    if write.subresource == "status":
        made = {**old, "metadata": {**old["metadata"], **_status_metadata(write, metadata)}}
        if "status" in new:
            made["status"] = new["status"]
        else:
            made.pop("status", None)
        return made
    if write.has_status:
        made.pop("status", None)
        if "status" in old:
            made["status"] = old["status"]
    if write.is_counted and _asked(made) != _asked(old):
        metadata["generation"] = old["metadata"].get("generation", 0) + 1
    return made


def _status_metadata(write: Write, metadata: Mapping[str, Any]) -> dict[str, Any]:
    if write.schema.custom is not None:
        return {k: metadata[k] for k in ("managedFields", "resourceVersion") if k in metadata}
    kept = ("managedFields", "resourceVersion", "labels", "annotations", "finalizers", "ownerReferences")
    return {k: metadata[k] for k in kept if k in metadata}


def _asked(obj: Object) -> Object:
    return {k: v for k, v in obj.items() if k not in ("metadata", "status", "apiVersion", "kind")}


def generated(prefix: str) -> str:
    """A name from a prefix: five letters more, within 63 characters."""
    return prefix[:58] + "".join(secrets.choice(LETTERS) for _ in range(5))


def qos_class(pod: Object) -> str:
    """Guaranteed, Burstable or BestEffort, from requests and limits of all containers."""
    spec = pod.get("spec", {})
    containers = [*spec.get("containers", []), *spec.get("initContainers", [])]
    asked = [c.get("resources") or {} for c in containers]
    if not any(r.get("requests") or r.get("limits") for r in asked):
        return "BestEffort"
    for r in asked:
        limits = r.get("limits") or {}
        if not {"cpu", "memory"} <= limits.keys() or (r.get("requests") or limits) != limits:
            return "Burstable"
    return "Guaranteed"


def _select_job(job: Object) -> None:
    spec = job["spec"]
    if spec.get("manualSelector") or spec.get("selector"):
        return
    uid = job["metadata"]["uid"]
    marks = {"batch.kubernetes.io/controller-uid": uid, "controller-uid": uid}
    names = {"batch.kubernetes.io/job-name": job["metadata"]["name"], "job-name": job["metadata"]["name"]}
    spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    template = spec["template"].setdefault("metadata", {})
    template["labels"] = {**(template.get("labels") or {}), **names, **marks}
