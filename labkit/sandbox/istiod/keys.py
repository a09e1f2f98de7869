"""Public keys of token issuers, which istiod fetches for the proxies: once, and anew every twenty minutes."""

import asyncio
import json
import logging
import os
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping

import aiohttp

from labkit.kube.resources import Object
from labkit.mesh.policies import request_authentication
from labkit.sandbox.apps import outbound

log = logging.getLogger("istiod")

REFRESH = 1200.0
"""Seconds until keys are fetched anew (Istio's ``PILOT_JWT_PUB_KEY_REFRESH_INTERVAL``)."""

RETRY = 60.0
"""Seconds until keys that could not be fetched are tried again, twice as many after each failure up to REFRESH."""

WITHIN = 5.0
"""Seconds that an issuer may take."""

PATIENCE = 1.5
"""Seconds for which a push waits for keys that were never tried: most issuers answer or refuse at once."""

Fetch = Callable[[str], Awaitable[str]]
"""URI → text; OSError, TimeoutError or ValueError where there is none."""


def sources(policies: Iterable[Object]) -> set[str]:
    """Where the keys of all RequestAuthentications are fetched."""
    rules = (rule for policy in policies for rule in request_authentication.rules_of(policy))
    return {source for rule in rules if (source := request_authentication.source(rule))}


async def fetched(uri: str) -> str:
    """The text behind a URI, called as the pod of istiod calls others."""
    if uri.startswith("http://"):
        reply = await outbound.Outbound(os.environ).get(uri, headers={}, within=WITHIN)
        status, body = reply.status, reply.body
    else:
        timeout = aiohttp.ClientTimeout(total=WITHIN)
        authorities = ssl.create_default_context()
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(uri, ssl=authorities) as response:
            status, body = response.status, await response.read()
    if status != 200:
        raise ValueError(f"it answers {status}")
    return body.decode()


class Keys:
    """What was fetched, and when to look again."""

    def __init__(self, on_change: Callable[[], None], fetch: Fetch = fetched) -> None:
        self._on_change, self._fetch = on_change, fetch
        self._fetched: dict[str, str] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._tried: dict[str, asyncio.Event] = {}

    def __repr__(self) -> str:
        return f"Keys({len(self._fetched)} of {len(self._tasks)} sources)"

    @property
    def fetched(self) -> Mapping[str, str]:
        """Source → JWKS."""
        return dict(self._fetched)

    async def follow(self, sources: set[str]) -> None:
        """Fetch from these sources and no others; returns when each was tried, or after ``PATIENCE``."""
        for gone in self._tasks.keys() - sources:
            self._tasks.pop(gone).cancel()
            self._fetched.pop(gone, None)
            self._tried.pop(gone, None)
        for source in sources - self._tasks.keys():
            self._tried[source] = asyncio.Event()
            self._tasks[source] = asyncio.create_task(self._refresh(source))
        waiting = [event.wait() for event in self._tried.values() if not event.is_set()]
        if waiting:
            await asyncio.wait([asyncio.ensure_future(w) for w in waiting], timeout=PATIENCE)

    async def _refresh(self, source: str) -> None:
        wait = RETRY
        while True:
            try:
                keys = await self._keys(source)
            except (OSError, TimeoutError, ValueError, aiohttp.ClientError) as e:
                log.error("the keys at %s cannot be fetched, so no token of that issuer passes: %s", source, e)
                pause, wait = wait, min(wait * 2, REFRESH)
            else:
                pause, wait = REFRESH, RETRY
                if self._fetched.get(source) != keys:
                    self._fetched[source] = keys
                    self._on_change()
            self._tried[source].set()
            await asyncio.sleep(pause)

    async def _keys(self, source: str) -> str:
        text = await self._fetch(source)
        if source.endswith(request_authentication.DISCOVERY):
            text = await self._fetch(str(_object(text).get("jwks_uri", "")))
        if not isinstance(_object(text).get("keys"), list):
            raise ValueError("what it answers is no set of keys")
        return text


def _object(text: str) -> Mapping[str, object]:
    value = json.loads(text)
    return value if isinstance(value, dict) else {}
