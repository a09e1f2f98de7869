"""Carries out what the Gateway API asks of a controller: classes, statuses, and the Deployments of Gateways."""

import asyncio
import logging
from collections.abc import Awaitable, Mapping

import orjson

from labkit.kube import api, informer, resources, status, times
from labkit.kube.resources import Object, Resource
from labkit.mesh import gateway_api
from labkit.mesh.ambient import statuses as ambient
from labkit.sandbox.istiod import following, statuses

log = logging.getLogger(__name__)

MANAGER = gateway_api.CONTROLLER
MANAGED = "gateway.istio.io/managed"
RETRY = 1.0
"""Seconds before something that was refused is tried again."""

_ROUTED: Mapping[str, Resource] = {
    "GatewayClass": resources.GATEWAY_CLASSES,
    "Gateway": resources.KUBE_GATEWAYS,
    "HTTPRoute": resources.HTTP_ROUTES,
    "GRPCRoute": resources.GRPC_ROUTES,
    "Service": resources.SERVICES,
    "ServiceEntry": resources.SERVICE_ENTRIES,
    "AuthorizationPolicy": resources.AUTHORIZATION_POLICIES,
}
_SHARED = ("Service", "ServiceEntry", "AuthorizationPolicy")
"""Kinds whose statuses have fields of others."""

_GENERATED: Mapping[str, Resource] = {
    "ServiceAccount": resources.SERVICE_ACCOUNTS,
    "Deployment": resources.DEPLOYMENTS,
    "Service": resources.SERVICES,
}


class GatewayController:
    """Makes the cluster as the newest conversion wants it, one write after the other."""

    def __init__(self, client: api.Api, followed: following.Following) -> None:
        self._client, self._followed = client, followed
        self._converted = gateway_api.Converted()
        self._ambient: Mapping[ambient.Key, Object] = {}
        self._applied: dict[tuple[str, str, str], bytes] = {}
        self._wake = asyncio.Event()
        self._logged: set[str] = set()
        self._deployments = informer.Informer(client, resources.DEPLOYMENTS)
        self._deployments.on_change(self.changed)

    def __repr__(self) -> str:
        return f"GatewayController({len(self._applied)} objects applied)"

    def want(self, converted: gateway_api.Converted, of_ambient: Mapping[ambient.Key, Object]) -> None:
        """From now on this is to be there."""
        self._converted, self._ambient = converted, of_ambient
        self._wake.set()

    def changed(self, old: Object | None, new: Object | None) -> None:
        """Something that we may have made has changed: what is gone, or was changed, is made again."""
        obj = new or old or {}
        if MANAGED in resources.labels_of(obj) and _is_other(old, new):
            self._applied.pop(_key(obj), None)
            self._wake.set()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            follower: asyncio.Task[None] | None = None
            while True:
                await self._wake.wait()
                self._wake.clear()
                fine = [await self._status(key, fields) for key, fields in self._ambient.items()]
                if not all(fine):
                    group.create_task(self._again())
                if not self._followed.is_served(resources.GATEWAY_CLASSES):
                    continue
                follower = follower or group.create_task(self._deployments.run())
                if not await self._reconcile():
                    group.create_task(self._again())

    async def _again(self) -> None:
        await asyncio.sleep(RETRY)
        self._wake.set()

    async def _reconcile(self) -> bool:
        """Write what differs; False when something was refused."""
        fine = [await self._class(name, *texts) for name, texts in self._converted.classes.items()]
        fine += [await self._status(key, conditions) for key, conditions in self._converted.statuses.items()]
        fine += [await self._apply(obj) for obj in self._converted.deployments]
        return all(fine)

    async def _class(self, name: str, controller: str, description: str) -> bool:
        if self._followed.get(resources.GATEWAY_CLASSES, name) is not None:
            return True
        obj = {
            "apiVersion": resources.GATEWAY_CLASSES.api_version,
            "kind": "GatewayClass",
            "metadata": {"name": name},
            "spec": {"controllerName": controller, "description": description},
        }
        return await self._tried(self._client.create(resources.GATEWAY_CLASSES, obj, manager=MANAGER), name)

    async def _status(self, key: gateway_api.Key, desired: Object) -> bool:
        kind, namespace, name = key
        resource = _ROUTED[kind]
        live = self._followed.get(resource, name, namespace)
        if live is None:
            return True
        before = live.get("status") or {}
        if kind in _SHARED:
            return await self._shared_status(key, live, desired)
        if statuses.timeless(before) == desired:
            return True
        now = times.now()
        body = statuses.patch(statuses.timed(desired, before, now), before)
        write = self._client.patch(resource, name, namespace or None, body, subresource="status", manager=MANAGER)
        return await self._tried(write, f"status of {kind} {namespace}/{name}")

    async def _shared_status(self, key: gateway_api.Key, live: Object, desired: Object) -> bool:
        """Write fields of a status in which others have conditions too; those of this very version stay."""
        kind, namespace, name = key
        before = live.get("status") or {}
        others = [c for c in before.get("conditions") or [] if c.get("type") not in ambient.CONDITIONS]
        fields = {**desired, "conditions": [*others, *desired.get("conditions", ())]}
        present = {field: before.get(field) for field in fields}
        if statuses.timeless(present) == fields or (not fields["conditions"] and not present["conditions"]):
            return True
        body = {
            "metadata": {"resourceVersion": live["metadata"]["resourceVersion"]},
            "status": statuses.timed(fields, before, times.now()),
        }
        write = self._client.patch(_ROUTED[kind], name, namespace, body, subresource="status", manager=MANAGER)
        try:
            return await self._tried(write, f"status of {kind} {namespace}/{name}", is_patient=True)
        except status.Conflict:
            # The newer version wakes this controller.
            return True

    async def _apply(self, obj: Object) -> bool:
        key, body = _key(obj), orjson.dumps(obj)
        if self._applied.get(key) == body:
            return True
        self._applied[key] = body
        write = self._client.patch(
            _GENERATED[obj["kind"]], key[2], key[1], obj, type=api.APPLY, manager=MANAGER, force=True
        )
        if await self._tried(write, f"{obj['kind']} {key[1]}/{key[2]}"):
            return True
        self._applied.pop(key, None)
        return False

    def look_again(self) -> None:
        """A status changed, ours or another controller's."""
        if self._ambient:
            self._wake.set()

    async def _tried(self, write: Awaitable[Object], what: str, *, is_patient: bool = False) -> bool:
        """Whether it was written; with ``is_patient`` a conflict is the caller's to judge."""
        try:
            await write
        except status.AlreadyExists:
            return True
        except status.NotFound:
            # The object went away meanwhile.
            return True
        except (status.StatusError, OSError) as e:
            if is_patient and isinstance(e, status.Conflict):
                raise
            if (text := f"{what}: {e}") not in self._logged:
                self._logged.add(text)
                log.warning("not written, tried again: %s", text)
            return False
        return True


def _key(obj: Object) -> tuple[str, str, str]:
    return str(obj["kind"]), resources.namespace_of(obj), resources.name_of(obj)


def _is_other(old: Object | None, new: Object | None) -> bool:
    """Whether it is gone or another one: a new status or what we applied ourselves does not count."""
    if new is None:
        return True
    return old is not None and resources.uid_of(old) != resources.uid_of(new)
