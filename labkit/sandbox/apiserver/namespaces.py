"""Namespaces: what a new one is given, and what may be created inside."""

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import refusing
from labkit.sandbox.apiserver.calls import Call
from labkit.sandbox.apiserver.core import Core

NAME_LABEL = "kubernetes.io/metadata.name"


class Lifecycle:
    """Nothing is created in a namespace that is not there, or is going."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def check(self, call: Call, new: Object, old: Object | None) -> Object | None:
        """404 or 403 for a create; other writes pass."""
        if old is not None or not call.served.namespaced:
            return None
        namespace = self._core.peek("/namespaces", "", call.namespace)
        if namespace is None:
            raise refusing.not_found("", "namespaces", call.namespace)
        if namespace["metadata"].get("deletionTimestamp"):
            raise _terminating(call)
        return None

    async def prepare(self, call: Call, new: Object, old: Object | None) -> Object | None:
        """The label with its name, the finalizer, the phase."""
        if call.served.key != "/namespaces":
            return None
        metadata = new["metadata"]
        name = metadata.get("name") or ""
        labels = {**(metadata.get("labels") or {}), **({NAME_LABEL: name} if name else {})}
        namespace = {**new, "metadata": {**metadata, "labels": labels}}
        if old is None:
            finalizers = list((new.get("spec") or {}).get("finalizers") or [])
            if "kubernetes" not in finalizers:
                finalizers.append("kubernetes")
            namespace |= {"spec": {"finalizers": finalizers}, "status": {"phase": "Active"}}
        elif call.subresource != "finalize":
            namespace["spec"] = old.get("spec") or {}
        return namespace


def _terminating(call: Call) -> Exception:
    served, namespace = call.served, call.namespace
    error = refusing.forbidden(
        served.group,
        served.plural,
        call.name,
        f"unable to create new content in namespace {namespace} because it is being terminated",
    )
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {namespace} is being terminated",
        "field": "metadata.namespace",
    }
    error.status["details"]["causes"] = [cause]
    return error
