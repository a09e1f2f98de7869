"""Writes the addresses of the gateway into the status of Istio's Ingresses."""

import asyncio
import logging
from collections.abc import Mapping

from labkit.kube import api, resources, status
from labkit.kube.resources import Object
from labkit.mesh import ingress, model
from labkit.sandbox.istiod import following

log = logging.getLogger(__name__)

RETRY = 1.0
"""Seconds before a status that was refused is written again."""


class IngressStatuses:
    """Keeps them as the newest snapshot has them."""

    def __init__(self, client: api.Api, followed: following.Following) -> None:
        self._client, self._followed = client, followed
        self._statuses: Mapping[ingress.Key, Object] = {}
        self._wake = asyncio.Event()

    def __repr__(self) -> str:
        return f"IngressStatuses({len(self._statuses)} ingresses)"

    def want(self, snapshot: model.Snapshot) -> None:
        """From now on the statuses of this snapshot are wanted."""
        self._statuses = ingress.statuses(snapshot)
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            for (namespace, name), state in self._statuses.items():
                live = self._followed.get(resources.INGRESSES, name, namespace)
                if live is not None and (live.get("status") or {}) != state:
                    await self._write(namespace, name, state)

    async def _write(self, namespace: str, name: str, state: Object) -> None:
        # A merge patch keeps what it does not name: an address that is gone is named as null.
        body = {"status": {"loadBalancer": {"ingress": None, **state["loadBalancer"]}}}
        try:
            await self._client.patch(resources.INGRESSES, name, namespace, body, subresource="status")
        except status.NotFound:
            return
        except (status.StatusError, OSError) as e:
            log.warning("status of Ingress %s/%s not written, tried again: %s", namespace, name, e)
            asyncio.get_running_loop().call_later(RETRY, self._wake.set)
