"""Calls that an app makes: one fresh connection each, by the door of its pod.

Bookinfo's product page deliberately does not pool connections, so that every call is balanced anew.
"""

import asyncio
from collections.abc import Mapping

from labkit.sandbox.apps import channel


class Outbound:
    """Makes calls as a program with this environment."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    async def get(self, url: str, *, headers: Mapping[str, str], within: float) -> channel.Reply:
        """GET; TimeoutError after ``within`` seconds, OSError when nobody answers properly."""
        fields = [("Connection", "close"), *headers.items()]
        return await asyncio.wait_for(_reply(channel.call("GET", url, fields=fields, env=self._env)), within)


async def _reply(call: channel.Call) -> channel.Reply:
    opened = await call.open()
    try:
        return await opened.ask(call.method, call.request)
    finally:
        opened.close()
