"""Several control planes on one cluster: which objects each reads, and which of them writes.

In Istio the default revision takes the leader's lock from any other; here the pods tell, without a lock.
"""

from collections.abc import Iterable

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import revisions
from labkit.sandbox.istiod import following

_READ_BY_ALL = frozenset(following.key_of(resource) for resource in following.BUILT_IN)
"""Kubernetes' own kinds: a pod's label names the revision that injected it, and everybody reads the pod."""


class Scope:
    """Leaves out the configuration of other revisions; the list of a kind stays the same list while it can."""

    def __init__(self, revision: revisions.Revision) -> None:
        self._revision = revision
        self._kept: dict[str, tuple[list[Object], list[Object]]] = {}

    def of(self, objects: dict[str, list[Object]]) -> dict[str, list[Object]]:
        """The objects that this revision reads, by kind."""
        return {kind: self._own(kind, listed) for kind, listed in objects.items()}

    def _own(self, kind: str, listed: list[Object]) -> list[Object]:
        if kind in _READ_BY_ALL:
            return listed
        before, own = self._kept.get(kind, (None, []))
        if before is not listed:
            own = [obj for obj in listed if self._revision.has(obj)]
            own = listed if len(own) == len(listed) else own
            self._kept[kind] = listed, own
        return own


def leads(revision: revisions.Revision, pods: Iterable[Object]) -> bool:
    """Whether this revision's istiod writes statuses: the default one where it runs, else the first by name."""
    if revision.is_default:
        return True
    others = {
        resources.labels_of(pod).get(revisions.LABEL, revisions.DEFAULT)
        for pod in pods
        if resources.namespace_of(pod) == revisions.ROOT and _is_istiod(pod)
    }
    rivals = others - {revision.name}
    return revisions.DEFAULT not in rivals and revision.name <= min(rivals, default=revision.name)


def _is_istiod(pod: Object) -> bool:
    is_up = (pod.get("status") or {}).get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]
    return is_up and resources.labels_of(pod).get("app") == "istiod"
