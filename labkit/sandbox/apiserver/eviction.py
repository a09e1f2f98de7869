"""Eviction: a deletion that asks the disruption budgets first."""

from collections.abc import Iterator

from labkit.kube import status
from labkit.kube.resources import Object
from labkit.sandbox.apiserver import deleting, labels, refusing, writing
from labkit.sandbox.apiserver.calls import Call, timestamp
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
    if not call.dry_run and not options.get("dryRun"):
        deleting.check_conditions(call.served, options.get("preconditions") or {}, pod["metadata"])
        # Of a version that the condition below makes an old one.
        options["preconditions"] = {k: v for k, v in (options.get("preconditions") or {}).items() if k == "uid"}
        core.put(call.served, _disrupted(pod))
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


def _disrupted(pod: Object) -> Object:
    """The pod with the condition that says why it goes."""
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": timestamp(),
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
    }
    status = pod.get("status") or {}
    others = [one for one in status.get("conditions") or () if one["type"] != condition["type"]]
    return {**pod, "status": {**status, "conditions": [*others, condition]}}


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
