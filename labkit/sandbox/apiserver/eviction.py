"""Eviction: a deletion that asks the disruption budgets first."""

from collections.abc import Iterator

from labkit.kube import status
from labkit.kube.resources import Object
from labkit.sandbox.apiserver import deleting, labels, refusing, writing
from labkit.sandbox.apiserver.calls import Call
from labkit.sandbox.apiserver.core import Core
from labkit.sandbox.apiserver.objects import schemas
from labkit.sandbox.apiserver.writing import Written

BUDGETS = "policy/poddisruptionbudgets"


async def evict(core: Core, call: Call) -> Written:
    """Delete a pod unless a budget forbids it now (429)."""
    sent = writing.body_object(call, schemas.builtin("policy/v1", "Eviction"))
    if call.verb == "create" and (sent.get("metadata") or {}).get("name") != call.name:
        raise refusing.bad_request("name in URL does not match name in Eviction object")
    pod = core.find(call.served, call.namespace, call.name).object
    if not _may_always_go(pod):
        _check(list(_budgets(core, pod)))
    options = dict(sent.get("deleteOptions") or {})
    if call.dry_run:
        options["dryRun"] = ["All"]
    order = Call(
        verb="delete",
        served=call.served,
        user=call.user,
        namespace=call.namespace,
        name=call.name,
        body=options,
    )
    await deleting.delete(core, order)
    return writing.done()


def _may_always_go(pod: Object) -> bool:
    phase = (pod.get("status") or {}).get("phase")
    return phase in ("Pending", "Succeeded", "Failed") or bool(pod["metadata"].get("deletionTimestamp"))


def _budgets(core: Core, pod: Object) -> Iterator[Object]:
    own = pod["metadata"].get("labels") or {}
    for item in core.store.table(BUDGETS).items(pod["metadata"]["namespace"]):
        selector = item.object["spec"].get("selector")
        if selector is not None and labels.matches(selector, own):
            yield item.object


def _check(budgets: list[Object]) -> None:
    if len(budgets) > 1:
        text = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        raise refusing.internal(text)
    for budget in budgets:
        seen = budget.get("status") or {}
        if not seen.get("disruptionsAllowed"):
            raise _too_early(budget["metadata"]["name"], seen)


def _too_early(name: str, seen: Object) -> status.StatusError:
    desired, healthy = seen.get("desiredHealthy", 0), seen.get("currentHealthy", 0)
    message = f"The disruption budget {name} needs {desired} healthy pods and has {healthy} currently"
    details = {"causes": [{"reason": "DisruptionBudget", "message": message}]}
    text = "Cannot evict pod as it would violate the pod's disruption budget."
    return refusing.refusal(429, "TooManyRequests", text, details)
