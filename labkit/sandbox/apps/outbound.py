"""Calls that an app makes: one fresh connection each, through the proxy that its environment names.

Bookinfo's product page deliberately does not pool connections, so that every call is balanced anew.
"""

import asyncio
from collections.abc import Mapping
from urllib.parse import urlsplit

from labkit.sandbox.apps import channel, proxying


class Outbound:
    """Makes calls with ``http_proxy`` and ``no_proxy`` of one environment."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    def __repr__(self) -> str:
        return f"Outbound(via {proxying.proxy_for('', self._env) or 'nobody'})"

    def proxy_for(self, url: str) -> str:
        """The proxy to use for ``url``; empty for none."""
        return proxying.proxy_for(urlsplit(url).hostname or "", self._env)

    async def get(self, url: str, *, headers: Mapping[str, str], within: float) -> channel.Reply:
        """GET; TimeoutError after ``within`` seconds, OSError when nobody answers properly."""
        fields = [("Connection", "close"), *headers.items()]
        call = channel.call("GET", url, fields=fields, proxy=self.proxy_for(url))
        return await asyncio.wait_for(_reply(call), within)


async def _reply(call: channel.Call) -> channel.Reply:
    opened = await call.open()
    try:
        return await opened.ask(call.method, call.request)
    finally:
        opened.close()
