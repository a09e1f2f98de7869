"""Service account tokens of one pod, asked for through the API and renewed before they run out."""

import time
from collections.abc import Callable, Iterable, Mapping

from labkit.kube import api, resources
from labkit.kube.resources import Object
from labkit.sandbox.kubelet import volumes

RENEW_AT = 0.8
"""Part of a token's life after which it is replaced, as the kubelet."""


class Tokens:
    """``by_key`` maps audience and lifetime to a token."""

    def __init__(self, client: api.Api, pod: Object, clock: Callable[[], float] = time.time) -> None:
        self._client, self._pod, self._clock = client, pod, clock
        self.by_key: dict[volumes.TokenKey, str] = {}
        self._renew_at: dict[volumes.TokenKey, float] = {}

    def __repr__(self) -> str:
        return f"Tokens({resources.name_of(self._pod)}, {sorted(self.by_key)})"

    async def get(self, keys: Iterable[volumes.TokenKey]) -> Mapping[volumes.TokenKey, str]:
        """All that are wanted; StatusError when the account does not exist."""
        for key in keys:
            if key not in self.by_key:
                await self._ask(key)
        return self.by_key

    async def renew(self, keys: Iterable[volumes.TokenKey]) -> bool:
        """Replace those that are old by the wall clock, which also runs while a laptop sleeps."""
        old = [key for key in keys if self._clock() >= self._renew_at.get(key, 0)]
        for key in old:
            await self._ask(key)
        return bool(old)

    async def _ask(self, key: volumes.TokenKey) -> None:
        audience, seconds = key
        meta = self._pod["metadata"]
        account = self._pod["spec"].get("serviceAccountName") or "default"
        place = resources.Resource(api_version="v1", kind="TokenRequest", plural=f"serviceaccounts/{account}/token")
        reply = await self._client.create(
            place,
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "metadata": {"name": account, "namespace": meta["namespace"]},
                "spec": {
                    "audiences": [audience] if audience else [],
                    "expirationSeconds": seconds,
                    "boundObjectRef": {
                        "apiVersion": "v1",
                        "kind": "Pod",
                        "name": meta["name"],
                        "uid": meta["uid"],
                    },
                },
            },
        )
        self.by_key[key] = reply["status"]["token"]
        self._renew_at[key] = self._clock() + seconds * RENEW_AT
