"""The part of a node that the API server calls: logs, commands and ports of running containers, and their memory."""

from typing import Any, Protocol

from aiohttp import web

from labkit.kube.resources import Object


class NodeAgent(Protocol):
    """Serves the streaming subresources of a pod; raises ``StatusError`` before an answer has begun."""

    async def log(self, request: web.Request, pod: Object) -> web.StreamResponse:
        """``GET …/log``."""

    async def exec(self, request: web.Request, pod: Object, *, attach: bool) -> web.StreamResponse:
        """``…/exec`` and ``…/attach``."""

    async def port_forward(self, request: web.Request, pod: Object) -> web.StreamResponse:
        """``…/portforward``."""

    def summary(self) -> dict[str, Any]:
        """``GET …/proxy/stats/summary``."""
