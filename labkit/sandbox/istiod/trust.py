"""The mesh's root: kept in a Secret, and handed to every namespace, where proxies look for it."""

import asyncio
import contextlib
import logging

from labkit.kube import api, resources, status
from labkit.kube.resources import Object
from labkit.sandbox.istiod import authority, following

log = logging.getLogger(__name__)

ROOT_CONFIG_MAP = "istio-ca-root-cert"
BUNDLES = (ROOT_CONFIG_MAP, "kube-root-ca.crt")
"""ConfigMaps that every namespace gets with it: nobody wrote them, so no refusal is put down to one."""


def is_bundle(obj: Object) -> bool:
    """Whether the object is one of those."""
    return obj.get("kind") == "ConfigMap" and resources.name_of(obj) in BUNDLES


async def root(client: api.Api, namespace: str) -> authority.Authority:
    """The authority of Secret ``cacerts``, else the root that is there, else a new one.

    So a new istiod signs for the old one's proxies. ValueError says what is wrong with ``cacerts``.
    """
    with contextlib.suppress(status.NotFound):
        return authority.Authority.from_secret(await client.get(resources.SECRETS, authority.PLUGGED_IN, namespace))
    new = authority.Authority.new()
    try:
        await client.create(resources.SECRETS, new.as_secret(namespace), manager="istiod")
    except status.AlreadyExists:
        kept = await client.get(resources.SECRETS, authority.SECRET, namespace)
        return authority.Authority.from_secret(kept)
    return new


def replaced(current: authority.Authority, secret: Object) -> authority.Authority | None:
    """The authority of a Secret ``cacerts`` that changed under a running istiod; None where the current one stays.

    As Istio: another intermediate certificate of the same root is taken at once, another root by a restart only.
    """
    try:
        new = authority.Authority.from_secret(secret)
    except ValueError as e:
        log.error("the plugged-in authority stays as it was: %s", e)
        return None
    if new.root != current.root:
        log.error("Secret cacerts has another root: kubectl -n istio-system rollout restart deploy/istiod takes it")
        return None
    if new.signs_as == current.signs_as:
        return None
    log.info("the plugged-in authority was replaced: certificates are signed by it from their next renewal on")
    return new


class Distribution:
    """Keeps a ConfigMap with the root's certificate in every namespace."""

    def __init__(self, client: api.Api, followed: following.Following, certificate: str) -> None:
        self._client, self._followed, self._certificate = client, followed, certificate
        self.wake = asyncio.Event()
        """Set when a namespace or such a ConfigMap has changed."""

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self.wake.wait()
            self.wake.clear()
            for namespace in self._followed.all(resources.NAMESPACES):
                if not namespace["metadata"].get("deletionTimestamp"):
                    with contextlib.suppress(status.StatusError, OSError):
                        await self._put(resources.name_of(namespace))

    async def _put(self, namespace: str) -> None:
        data = {"root-cert.pem": self._certificate}
        config_map = self._followed.get(resources.CONFIG_MAPS, ROOT_CONFIG_MAP, namespace)
        if config_map is not None and config_map.get("data") == data:
            return
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": ROOT_CONFIG_MAP, "namespace": namespace, "labels": {"istio.io/config": "true"}},
            "data": data,
        }
        # A stock installation lets istiod create and update ConfigMaps, not patch them.
        try:
            if config_map is None:
                await self._client.create(resources.CONFIG_MAPS, body, manager="istiod")
            else:
                await self._client.replace(resources.CONFIG_MAPS, body, manager="istiod")
        except status.AlreadyExists:
            await self._client.replace(resources.CONFIG_MAPS, body, manager="istiod")
