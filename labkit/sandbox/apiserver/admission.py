"""Hooks around every write, in their order."""

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import refusing
from labkit.sandbox.apiserver.calls import Call
from labkit.sandbox.apiserver.core import Core


def install(core: Core) -> None:
    """Give the core its hooks."""
    lifecycle = NamespaceLifecycle(core)
    core.mutating.append(lifecycle.check)


class NamespaceLifecycle:
    """Nothing is created in a namespace that is not there, or is going."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def check(self, call: Call, new: Object, old: Object | None) -> Object | None:
        """404 or 403 for a create; other writes pass."""
        if old is not None or not call.served.namespaced:
            return None
        found = self._core.peek("/namespaces", "", call.namespace)
        if found is None:
            raise refusing.not_found("", "namespaces", call.namespace)
        if found["metadata"].get("deletionTimestamp"):
            raise _terminating(call)
        return None


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
