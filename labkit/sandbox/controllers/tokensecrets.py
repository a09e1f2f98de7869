"""Secrets that ask for a service account's token get one; those of an account that is gone go too."""

import base64
import contextlib

from labkit.kube import informer, resources, status
from labkit.kube.resources import Object
from labkit.sandbox.controllers import queue
from labkit.sandbox.controllers.informers import Informers
from labkit.sandbox.controllers.podcontrol import MANAGER

TYPE = "kubernetes.io/service-account-token"
NAME, UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"
YEARS = 10 * 365 * 24 * 3600
"""Seconds that such a token lives: a real one has no end, but ends with its Secret, as this one does."""


class TokenSecrets:
    """Fills in Secrets of that type."""

    def __init__(self, informers: Informers, *, root_ca: str) -> None:
        self._client, self._root_ca = informers.client, root_ca
        self._secrets, self._accounts = informers.of(resources.SECRETS), informers.of(resources.SERVICE_ACCOUNTS)
        self.queue = queue.Queue(self._sync, name="token secrets")
        self._secrets.on_change(self._secret_changed)
        self._accounts.on_change(self._account_changed)

    def _secret_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and new.get("type") == TYPE:
            self.queue.add(informer.key_of(new))

    def _account_changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None and new is not None:
            return
        for secret in self._secrets.all(resources.namespace_of(new or old or {})):
            self._secret_changed(None, secret)

    async def _sync(self, key: informer.Key) -> None:
        secret = self._secrets.cache.get(key)
        if secret is None or secret["metadata"].get("deletionTimestamp"):
            return
        notes = resources.annotations_of(secret)
        account = await self._account(notes.get(NAME, ""), key[0])
        if account is None or notes.get(UID, resources.uid_of(account)) != resources.uid_of(account):
            with contextlib.suppress(status.NotFound, status.Conflict):
                await self._client.delete(resources.SECRETS, key[1], key[0], uid=resources.uid_of(secret))
            return
        if (secret.get("data") or {}).get("token"):
            return
        contents = {"token": await self._token(account, secret), "ca.crt": self._root_ca, "namespace": key[0]}
        data = {name: base64.b64encode(text.encode()).decode() for name, text in contents.items()}
        body = {"metadata": {"annotations": {UID: resources.uid_of(account)}}, "data": data}
        with contextlib.suppress(status.NotFound):
            await self._client.patch(resources.SECRETS, key[1], key[0], body, manager=MANAGER)

    async def _account(self, name: str, namespace: str) -> Object | None:
        """Asked of the server where the cache has none: a new one may not be there yet."""
        if (account := self._accounts.get(name, namespace)) is not None or not name:
            return account
        with contextlib.suppress(status.NotFound):
            return await self._client.get(resources.SERVICE_ACCOUNTS, name, namespace)
        return None

    async def _token(self, account: Object, secret: Object) -> str:
        name, namespace = resources.name_of(account), resources.namespace_of(account)
        place = resources.Resource(api_version="v1", kind="TokenRequest", plural=f"serviceaccounts/{name}/token")
        bound = {
            "kind": "Secret",
            "apiVersion": "v1",
            "name": resources.name_of(secret),
            "uid": resources.uid_of(secret),
        }
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "metadata": {"namespace": namespace},
            "spec": {"audiences": [], "expirationSeconds": YEARS, "boundObjectRef": bound},
        }
        answer = await self._client.create(place, body, manager=MANAGER)
        return str(answer["status"]["token"])
