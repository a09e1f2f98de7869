"""ClusterRoles that are the sum of others."""

import contextlib

from labkit.kube import informer, resources, status
from labkit.kube.resources import Object
from labkit.sandbox.apiserver import labels
from labkit.sandbox.controllers import queue
from labkit.sandbox.controllers.informers import Informers

ROLES = resources.Resource(
    api_version="rbac.authorization.k8s.io/v1", kind="ClusterRole", plural="clusterroles", namespaced=False
)


class Aggregation:
    """Gives each aggregated role the rules of the roles it selects."""

    def __init__(self, informers: Informers) -> None:
        self._client, self._roles = informers.client, informers.of(ROLES)
        self.queue = queue.Queue(self._sync, name="aggregation")
        self._roles.on_change(self._changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        for role in self._roles.all():
            if role.get("aggregationRule"):
                self.queue.add(informer.key_of(role))

    async def _sync(self, key: informer.Key) -> None:
        role = self._roles.cache.get(key)
        if role is None or not role.get("aggregationRule"):
            return
        rules: list[Object] = []
        for selector in role["aggregationRule"].get("clusterRoleSelectors") or []:
            for other in sorted(self._roles.all(), key=resources.name_of):
                if other is not role and labels.matches(selector, resources.labels_of(other)):
                    rules += [rule for rule in other.get("rules") or [] if rule not in rules]
        if rules != (role.get("rules") or []):
            with contextlib.suppress(status.NotFound):
                await self._client.replace(ROLES, {**role, "rules": rules})
