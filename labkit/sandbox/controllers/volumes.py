"""Claims get volumes: those there are, or folders of the node from the local provisioner."""

import contextlib

from labkit.kube import informer, marks, resources, status, times
from labkit.kube.resources import Object
from labkit.sandbox.apiserver import storageclasses
from labkit.sandbox.controllers import queue, recorder, volume_plan
from labkit.sandbox.controllers.informers import Informers
from labkit.sandbox.controllers.podcontrol import MANAGER

BINDER = "persistentvolume-controller"


class Binder:
    """Binds claims, and provisions volumes for those of the node's own class."""

    def __init__(self, informers: Informers) -> None:
        self._client = informers.client
        self._claims, self._volumes = informers.of(resources.CLAIMS), informers.of(resources.VOLUMES)
        self._classes = informers.of(resources.STORAGE_CLASSES)
        self._told: dict[str, str] = {}
        """The last message about each claim, by uid."""

        self.queue = queue.Queue(self._sync, name="volume binder")
        self._claims.on_change(self._claim_changed)
        self._volumes.on_change(self._all_waiting)
        self._classes.on_change(self._all_waiting)

    def _claim_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            self._told.pop(resources.uid_of(old or {}), None)
        else:
            self.queue.add(informer.key_of(new))

    def _all_waiting(self, old: Object | None, new: Object | None) -> None:
        for claim in self._claims.all():
            if not is_bound(claim):
                self.queue.add(informer.key_of(claim))

    async def _sync(self, key: informer.Key) -> None:
        claim = self._claims.cache.get(key)
        if claim is None or claim["metadata"].get("deletionTimestamp") or is_bound(claim):
            return
        name = claim["spec"].get("storageClassName")
        if name is None and (default := storageclasses.default_of(list(self._classes.all()))):
            # A class that became the default later counts for claims that still wait.
            body = {"spec": {"storageClassName": default}}
            await self._client.patch(resources.CLAIMS, key[1], key[0], body, manager=MANAGER)
            return
        storage_class = self._classes.get(name or "")
        step = volume_plan.next_step(claim, self._volumes.all(), storage_class)
        if step.bind is not None:
            await self._bind(claim, step.bind)
        elif step.provision and storage_class is not None:
            await self._provision(claim, storage_class)
        elif step.reason and self._told.get(resources.uid_of(claim)) != step.message:
            self._told[resources.uid_of(claim)] = step.message
            await self._tell(claim, step.reason, step.message, type="Warning" if step.is_warning else "Normal")

    async def _bind(self, claim: Object, volume: Object) -> None:
        name, (namespace, claim_name) = resources.name_of(volume), informer.key_of(claim)
        held = volume["spec"].get("claimRef") or {}
        if held.get("uid") != resources.uid_of(claim):
            notes: Object = {} if held else {"metadata": {"annotations": {volume_plan.BY_CONTROLLER: "yes"}}}
            body = {**notes, "spec": {"claimRef": volume_plan.reference(claim)}}
            await self._client.patch(resources.VOLUMES, name, None, body, manager=MANAGER)
        annotations = {volume_plan.COMPLETED: "yes"}
        if not claim["spec"].get("volumeName"):
            annotations[volume_plan.BY_CONTROLLER] = "yes"
        body = {"metadata": {"annotations": annotations}, "spec": {"volumeName": name}}
        await self._client.patch(resources.CLAIMS, claim_name, namespace, body, manager=MANAGER)
        state = {
            "phase": "Bound",
            "accessModes": volume["spec"].get("accessModes"),
            "capacity": volume["spec"].get("capacity"),
        }
        await self._client.patch(
            resources.CLAIMS, claim_name, namespace, {"status": state}, subresource="status", manager=MANAGER
        )

    async def _provision(self, claim: Object, storage_class: Object) -> None:
        namespace, name = informer.key_of(claim)
        volume, provisioner = volume_plan.volume_of(claim, storage_class), storage_class["provisioner"]
        if any(note not in resources.annotations_of(claim) for note in volume_plan.PROVISIONER):
            body = {"metadata": {"annotations": dict.fromkeys(volume_plan.PROVISIONER, provisioner)}}
            await self._client.patch(resources.CLAIMS, name, namespace, body, manager=MANAGER)
        text = f'External provisioner is provisioning volume for claim "{namespace}/{name}"'
        await self._tell(claim, "Provisioning", text, component=provisioner)
        try:
            await self._client.create(resources.VOLUMES, volume, manager=provisioner)
        except status.AlreadyExists:
            return
        text = f"Successfully provisioned volume {resources.name_of(volume)}"
        await self._tell(claim, "ProvisioningSucceeded", text, component=provisioner)

    async def _tell(
        self, claim: Object, reason: str, message: str, *, type: str = "Normal", component: str = BINDER
    ) -> None:
        await recorder.record(self._client, claim, component=component, reason=reason, message=message, type=type)


class Phases:
    """Says of each volume whether it is taken, and deletes those whose claim is gone where their policy says so."""

    def __init__(self, informers: Informers) -> None:
        self._client = informers.client
        self._claims, self._volumes = informers.of(resources.CLAIMS), informers.of(resources.VOLUMES)
        self.queue = queue.Queue(self._sync, name="volume phases")
        self._volumes.on_change(lambda old, new: self.queue.add(informer.key_of(new)) if new else None)
        self._claims.on_change(self._claim_changed)

    def _claim_changed(self, old: Object | None, new: Object | None) -> None:
        name = ((new or old or {}).get("spec") or {}).get("volumeName")
        if name:
            self.queue.add(("", name))

    async def _sync(self, key: informer.Key) -> None:
        volume = self._volumes.cache.get(key)
        if volume is None or volume["metadata"].get("deletionTimestamp"):
            return
        held = volume["spec"].get("claimRef") or {}
        claim = await self._claim(held) if held.get("uid") else None
        phase = volume_plan.phase(volume, claim)
        if (volume.get("status") or {}).get("phase") != phase:
            body = {"status": {"phase": phase, "lastPhaseTransitionTime": times.now()}}
            with contextlib.suppress(status.NotFound):
                await self._client.patch(resources.VOLUMES, key[1], None, body, subresource="status", manager=MANAGER)
        if phase == "Released" and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete":
            with contextlib.suppress(status.NotFound):
                await self._client.delete(resources.VOLUMES, key[1])

    async def _claim(self, held: Object) -> Object | None:
        """The claim of a volume, asked of the server where the cache has none: a new one may not be there yet."""
        if (claim := self._claims.get(held["name"], held["namespace"])) is not None:
            return claim
        with contextlib.suppress(status.NotFound):
            return await self._client.get(resources.CLAIMS, held["name"], held["namespace"])
        return None


class StandardClass:
    """Makes the default StorageClass once the node is there, whose folders its volumes are."""

    def __init__(self, informers: Informers) -> None:
        self._client = informers.client
        self.queue = queue.Queue(self._sync, name="storage class")
        informers.of(resources.NODES).on_change(self._node_changed)

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if old is None and new is not None and resources.name_of(new) == marks.SANDBOX_NODE:
            self.queue.add(informer.key_of(new))

    async def _sync(self, key: informer.Key) -> None:
        with contextlib.suppress(status.AlreadyExists):
            await self._client.create(resources.STORAGE_CLASSES, volume_plan.STANDARD, manager="kubectl")


def is_bound(claim: Object) -> bool:
    """Whether a claim has its volume."""
    return (claim.get("status") or {}).get("phase") == "Bound"
