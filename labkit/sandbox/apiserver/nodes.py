"""What the server asks of the node for requests that reach into a pod."""

from typing import Protocol

from aiohttp import web

from labkit.kube.resources import Object


class NodeAgent(Protocol):
    """The kubelet, as the API server sees it. Refusals are StatusErrors raised before the reply begins."""

    async def log(self, request: web.Request, pod: Object) -> web.StreamResponse:
        """``GET pods/NAME/log``."""

    async def exec(self, request: web.Request, pod: Object, *, attach: bool) -> web.StreamResponse:
        """``pods/NAME/exec`` and ``attach``, over WebSocket."""

    async def port_forward(self, request: web.Request, pod: Object) -> web.StreamResponse:
        """``pods/NAME/portforward``, over WebSocket."""
