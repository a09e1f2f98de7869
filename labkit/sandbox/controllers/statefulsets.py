"""StatefulSets: pods with names that stay, made and ended in order."""

import asyncio
import contextlib

from labkit.kube import informer, resources, status, times
from labkit.kube.resources import Object
from labkit.sandbox.controllers import adoption, podstates, queue, revisions, statefulset_plan
from labkit.sandbox.controllers.informers import Informers
from labkit.sandbox.controllers.podcontrol import MANAGER, PodControl

KIND = "StatefulSet"


class StatefulSets:
    """Carries out StatefulSets."""

    def __init__(self, informers: Informers) -> None:
        self._client = informers.client
        self._control = PodControl(informers, component="statefulset-controller")
        self._sets, self._pods = informers.of(resources.STATEFUL_SETS), informers.of(resources.PODS)
        self._revisions = informers.of(resources.CONTROLLER_REVISIONS)
        self._claims = informers.of(resources.CLAIMS)
        self.queue = queue.Queue(self._sync, name="statefulset")
        self._sets.on_change(lambda old, new: self.queue.add(informer.key_of(new or old or {})))
        self._pods.on_change(self._pod_changed)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        for key in adoption.concerned(self._sets, old, new, fits=_is_named_after):
            self.queue.add(key)

    async def _sync(self, key: informer.Key) -> None:
        owner = self._sets.cache.get(key)
        if owner is None or not self._control.is_settled(owner):
            return
        candidates = [
            pod
            for pod in self._pods.all(key[0])
            if statefulset_plan.ordinal_of(owner, resources.name_of(pod)) is not None
        ]
        pods = await adoption.claimed(self._client, resources.PODS, owner, candidates)
        history = await revisions.claimed(self._client, owner, list(self._revisions.all(key[0])))
        update, collisions = await revisions.current(self._client, owner, history)
        named = (owner.get("status") or {}).get("currentRevision")
        current = next((r for r in history if resources.name_of(r) == named), update)
        seen = statefulset_plan.Seen(owner=owner, pods=pods, current=current, update=update, now=times.now())
        plan = statefulset_plan.plan(seen)
        try:
            await self._carry_out(seen, plan)
        finally:
            await self._report(owner, statefulset_plan.status(seen, collisions))
        live = {resources.name_of(current), resources.name_of(update), *map(statefulset_plan.revision_of, pods)}
        for old in revisions.superfluous(history, live, owner["spec"].get("revisionHistoryLimit", 10)):
            with contextlib.suppress(status.NotFound):
                await self._client.delete(resources.CONTROLLER_REVISIONS, resources.name_of(old), key[0])
        pause = podstates.until_next_available(pods, owner["spec"].get("minReadySeconds", 0), seen.now)
        if pause is not None:
            self.queue.add_later(key, pause + 1)

    async def _carry_out(self, seen: statefulset_plan.Seen, plan: statefulset_plan.Plan) -> None:
        owner = seen.owner
        await asyncio.gather(*(self._create(seen, pod) for pod in plan.create))
        for pod in plan.delete:
            if await self._control.remove(owner, pod):
                await self._tell_pod(owner, "Delete", pod)
        for pod in seen.pods:
            if not owner["metadata"].get("deletionTimestamp"):
                if (pod.get("status") or {}).get("phase") == "Pending":
                    await self._create_claims(owner, pod)
                await self._own_claims(seen, pod)

    async def _create(self, seen: statefulset_plan.Seen, pod: Object) -> None:
        owner = seen.owner
        try:
            await self._create_claims(owner, pod)
            stored = await self._control.store(owner, pod)
        except status.AlreadyExists:
            return
        except status.StatusError as e:
            await self._tell_pod(owner, "Create", pod, error=str(e))
            raise
        await self._own_claims(seen, stored)
        await self._tell_pod(owner, "Create", stored)

    async def _create_claims(self, owner: Object, pod: Object) -> None:
        name = resources.name_of(pod)
        for claim in statefulset_plan.claims_of(owner, name):
            if informer.key_of(claim) in self._claims.cache:
                continue
            title, of = resources.name_of(claim), f"Pod {name} in StatefulSet {resources.name_of(owner)}"
            try:
                await self._client.create(resources.CLAIMS, claim, manager=MANAGER)
            except status.AlreadyExists:
                continue
            except status.StatusError as e:
                text = f"Create Claim {title} for {of} failed error: {e}"
                await self._control.tell(owner, "FailedCreate", text, type="Warning")
                raise
            await self._control.tell(owner, "SuccessfulCreate", f"Create Claim {title} {of} success")

    async def _own_claims(self, seen: statefulset_plan.Seen, pod: Object) -> None:
        for claim in statefulset_plan.claims_of(seen.owner, resources.name_of(pod)):
            stored = self._claims.cache.get(informer.key_of(claim))
            before = (stored or {}).get("metadata", {}).get("ownerReferences") or []
            owners = statefulset_plan.claim_owners(seen, pod, before)
            if stored is not None and owners != before:
                body = {"metadata": {"ownerReferences": owners or None}}
                name, namespace = resources.name_of(claim), resources.namespace_of(claim)
                with contextlib.suppress(status.NotFound):
                    await self._client.patch(resources.CLAIMS, name, namespace, body, manager=MANAGER)

    async def _tell_pod(self, owner: Object, verb: str, pod: Object, *, error: str = "") -> None:
        text = f"{verb} Pod {resources.name_of(pod)} in StatefulSet {resources.name_of(owner)}"
        if error:
            await self._control.tell(owner, f"Failed{verb}", f"{text} failed error: {error}", type="Warning")
        else:
            await self._control.tell(owner, f"Successful{verb}", f"{text} successful")

    async def _report(self, owner: Object, state: Object) -> None:
        if state != owner.get("status"):
            body = {**owner, "status": state}
            with contextlib.suppress(status.NotFound):
                await self._client.replace(resources.STATEFUL_SETS, body, subresource="status", manager=MANAGER)


def _is_named_after(owner: Object, pod: Object) -> bool:
    """Whether a pod has a name that this StatefulSet gives."""
    return statefulset_plan.ordinal_of(owner, resources.name_of(pod)) is not None
