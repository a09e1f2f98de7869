"""PodDisruptionBudgets: how many pods may go now."""

import contextlib
from collections.abc import Iterable

from labkit.kube import informer, resources, status, times
from labkit.kube.resources import Object
from labkit.sandbox.apiserver import labels
from labkit.sandbox.controllers import queue
from labkit.sandbox.controllers.deployment_plan import part
from labkit.sandbox.controllers.deployment_status import condition
from labkit.sandbox.controllers.informers import Informers
from labkit.sandbox.controllers.podstates import is_ready

BUDGETS = resources.Resource(api_version="policy/v1", kind="PodDisruptionBudget", plural="poddisruptionbudgets")

SCALED = (resources.REPLICA_SETS, resources.STATEFUL_SETS, resources.REPLICATION_CONTROLLERS)
"""Kinds that ask for a number of pods."""


class Budgets:
    """Keeps the status of each budget."""

    def __init__(self, informers: Informers) -> None:
        self._client = informers.client
        self._budgets, self._pods = informers.of(BUDGETS), informers.of(resources.PODS)
        self._sets = [informers.of(kind) for kind in SCALED]
        self.queue = queue.Queue(self._sync, name="disruption")
        self._budgets.on_change(lambda old, new: self.queue.add(informer.key_of(new)) if new else None)
        self._pods.on_change(self._pod_changed)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        for budget in self._budgets.all(resources.namespace_of(new or old or {})):
            self.queue.add(informer.key_of(budget))

    async def _sync(self, key: informer.Key) -> None:
        budget = self._budgets.cache.get(key)
        if budget is None:
            return
        selector = budget["spec"].get("selector")
        pods = [pod for pod in self._pods.all(key[0]) if labels.matches(selector, resources.labels_of(pod))]
        state = budget_status(budget, pods, self._asked(key[0], pods), now=times.now())
        if state != budget.get("status"):
            with contextlib.suppress(status.NotFound):
                await self._client.replace(BUDGETS, {**budget, "status": state}, subresource="status")

    def _asked(self, namespace: str, pods: Iterable[Object]) -> int:
        """How many pods their owners ask for; for pods of nobody, nothing."""
        owners = {(resources.owner_of(pod) or {}).get("uid") for pod in pods}
        sets = (one for followed in self._sets for one in followed.all(namespace))
        return sum(one["spec"].get("replicas", 1) for one in sets if resources.uid_of(one) in owners)


def budget_status(budget: Object, pods: list[Object], asked: int, *, now: str) -> Object:
    """What a budget allows for its pods; ``asked`` is how many pods their owners ask for."""
    spec, generation = budget["spec"], budget["metadata"].get("generation", 1)
    alive = [pod for pod in pods if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")]
    healthy = sum(is_ready(pod) and not pod["metadata"].get("deletionTimestamp") for pod in alive)
    if "maxUnavailable" in spec:
        expected = asked
        least = max(0, expected - part(spec["maxUnavailable"], expected, up=True))
    else:
        minimum = spec.get("minAvailable", 1)
        expected = len(alive) if isinstance(minimum, int) else asked
        least = part(minimum, expected, up=True)
    allowed = max(0, healthy - least) if expected else 0
    conditions = (budget.get("status") or {}).get("conditions") or []
    old = next((c for c in conditions if c["type"] == "DisruptionAllowed"), None)
    value, reason = ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
    verdict = condition("DisruptionAllowed", value, reason, "", old=old, now=now, updates=False)
    return {
        "observedGeneration": generation,
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": least,
        "expectedPods": expected,
        "conditions": [{**verdict, "observedGeneration": generation}],
    }
