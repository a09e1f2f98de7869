"""ResourceQuotas: what each namespace uses of them, counted anew whenever something of it changes or goes."""

import contextlib

from labkit.kube import informer, resources, status
from labkit.kube.resources import Object, Resource
from labkit.sandbox.apiserver import amounts, quota_usage
from labkit.sandbox.controllers import queue
from labkit.sandbox.controllers.informers import Informers
from labkit.sandbox.controllers.podcontrol import MANAGER


class Quotas:
    """Keeps the status of each quota; kinds are followed once a quota counts them."""

    def __init__(self, informers: Informers) -> None:
        self._client, self._informers = informers.client, informers
        self._quotas = informers.of(resources.QUOTAS)
        self._followed: dict[str, Resource] = {}
        """Table → its resource."""

        self.queue = queue.Queue(self._sync, name="resourcequota")
        self._quotas.on_change(self._quota_changed)

    def _quota_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and (old is None or old.get("spec") != new.get("spec") or not new.get("status")):
            self.queue.add(informer.key_of(new))

    def _object_changed(self, old: Object | None, new: Object | None) -> None:
        for quota in self._quotas.all(resources.namespace_of(new or old or {})):
            self.queue.add(informer.key_of(quota))

    async def _sync(self, key: informer.Key) -> None:
        quota = self._quotas.cache.get(key)
        if quota is None:
            return
        # From the server: what admission charges meanwhile makes the write a Conflict, and all is counted anew.
        quota = await self._client.get(resources.QUOTAS, key[1], key[0])
        counted: list[tuple[str, Object]] = []
        for table, resource in self._counted(quota).items():
            listed = await self._client.list(resource, key[0])
            counted += [(table, obj) for obj in listed["items"]]
        state = {
            "hard": quota["spec"].get("hard") or {},
            "used": amounts.written(quota_usage.used(quota, counted)),
        }
        if state != quota.get("status"):
            with contextlib.suppress(status.NotFound):
                body = {**quota, "status": state}
                await self._client.replace(resources.QUOTAS, body, subresource="status", manager=MANAGER)

    def _counted(self, quota: Object) -> dict[str, Resource]:
        """The kinds that a quota counts; they are followed from now on."""
        names = {quota_usage.key_of(name) for name in quota["spec"].get("hard") or {}}
        counted: dict[str, Resource] = {}
        for resource in self._client.kinds():
            if (resource.group, resource.plural) in names:
                table = f"{resource.group}/{resource.plural}"
                counted[table] = resource
                if table not in self._followed:
                    self._followed[table] = resource
                    self._informers.of(resource).on_change(self._object_changed)
        return counted
