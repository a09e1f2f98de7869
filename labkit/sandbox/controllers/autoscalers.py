"""HorizontalPodAutoscalers: keep their targets within bounds, and say that there are no metrics to go by."""

import contextlib
from collections.abc import Iterator

from labkit.kube import informer, resources, status, times
from labkit.kube.resources import Object, Resource
from labkit.sandbox.apiserver import labels
from labkit.sandbox.controllers import adoption, autoscaler_plan, queue, recorder
from labkit.sandbox.controllers.informers import Informers
from labkit.sandbox.controllers.podcontrol import MANAGER

TARGETS = (
    resources.DEPLOYMENTS,
    resources.REPLICA_SETS,
    resources.STATEFUL_SETS,
    resources.REPLICATION_CONTROLLERS,
)
"""Kinds whose changes an autoscaler hears of."""


class Autoscalers:
    """Carries out HorizontalPodAutoscalers."""

    def __init__(self, informers: Informers) -> None:
        self._client = informers.client
        self._autoscalers = informers.of(resources.AUTOSCALERS)
        self.queue = queue.Queue(self._sync, name="horizontal-pod-autoscaler")
        self._autoscalers.on_change(self._changed)
        for kind in TARGETS:
            informers.of(kind).on_change(self._target_changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        """One more or one less: those of the same target are looked at too."""
        obj = new or old or {}
        for one in self._of_target(obj["spec"]["scaleTargetRef"], resources.namespace_of(obj)):
            self.queue.add(informer.key_of(one))

    def _target_changed(self, old: Object | None, new: Object | None) -> None:
        obj = new or old or {}
        if old is None or new is None or old["spec"].get("replicas") != new["spec"].get("replicas"):
            reference = {"kind": obj["kind"], "name": resources.name_of(obj), "apiVersion": obj["apiVersion"]}
            for one in self._of_target(reference, resources.namespace_of(obj)):
                self.queue.add(informer.key_of(one))

    def _of_target(self, reference: Object, namespace: str) -> Iterator[Object]:
        for one in self._autoscalers.all(namespace):
            target = one["spec"]["scaleTargetRef"]
            if (target["kind"], target["name"]) == (reference["kind"], reference["name"]):
                yield one

    async def _sync(self, key: informer.Key) -> None:
        autoscaler = self._autoscalers.cache.get(key)
        if autoscaler is None:
            return
        reference, before = autoscaler["spec"]["scaleTargetRef"], autoscaler.get("status") or {}
        try:
            kind, target = await self._target(reference, key[0])
        except LookupError as e:
            plan = autoscaler_plan.unscalable(autoscaler, str(e.args[0]))
            kind = None
        else:
            others = [resources.name_of(one) for one in self._of_target(reference, key[0])]
            plan = autoscaler_plan.plan(
                autoscaler,
                int(target["spec"]["replicas"]),
                [name for name in others if name != key[1]],
                selector=labels.text_of(adoption.selector_of(target)),
            )
        state = plan.status
        if plan.size is not None and kind is not None:
            body = {"spec": {"replicas": plan.size}}
            await self._client.patch(kind, reference["name"], key[0], body, subresource="scale", manager=MANAGER)
            state = {**state, "lastScaleTime": times.now()}
        for type, reason, message in autoscaler_plan.quiet(plan, before).events:
            await recorder.record(
                self._client,
                autoscaler,
                component="horizontal-pod-autoscaler",
                reason=reason,
                message=message,
                type=type,
            )
        state = autoscaler_plan.timed(state, before, times.now())
        if state != before:
            with contextlib.suppress(status.NotFound):
                body = {**autoscaler, "status": state}
                await self._client.replace(resources.AUTOSCALERS, body, subresource="status", manager=MANAGER)

    async def _target(self, reference: Object, namespace: str) -> tuple[Resource, Object]:
        """The kind of a target and the object; LookupError with the real controller's words."""
        version = reference.get("apiVersion", "")
        group = version.rpartition("/")[0]
        kinds = [k for k in self._client.kinds() if (k.group, k.kind) == (group, reference["kind"])]
        if not kinds:
            raise LookupError(f'no matches for kind "{reference["kind"]}" in group "{group}"')
        try:
            target = await self._client.get(kinds[0], reference["name"], namespace)
        except status.NotFound as e:
            raise LookupError(str(e)) from None
        if "replicas" not in target.get("spec", {}):
            raise LookupError("the server could not find the requested resource")
        return kinds[0], target
