"""Paths below an object: its status, its scale, its log, and what else is not the object itself."""

from aiohttp import web

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import paths, reading, refusing, writing
from labkit.sandbox.apiserver.calls import Call
from labkit.sandbox.apiserver.core import Core
from labkit.sandbox.apiserver.nodes import NodeAgent
from labkit.sandbox.apiserver.writing import Written


class Subresources:
    """Serves what lies below objects."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.node: NodeAgent | None = None

    async def serve(self, request: web.BaseRequest, call: Call, target: paths.Target) -> Written | web.StreamResponse:
        """The outcome of a write or read, or an answer that is written already."""
        if call.subresource not in call.served.subresources:
            raise refusing.no_such_resource()
        if call.subresource == "status":
            return await self.status(call)
        raise refusing.no_such_resource()

    async def write(self, call: Call) -> Written:
        """A write to a subresource that needs no HTTP."""
        if call.subresource not in call.served.subresources:
            raise refusing.no_such_resource()
        return await self.status(call)

    async def status(self, call: Call) -> Written:
        """The object, of which writes change the status only."""
        if call.verb == "get":
            return Written(200, await reading.get(self._core, call))
        if call.verb not in ("update", "patch"):
            raise refusing.method_not_allowed()
        call.check_options()
        return await (writing.update if call.verb == "update" else writing.patch)(self._core, call)

    def review(self, call: Call, sent: Object) -> Object:
        """The answer to a review."""
        raise refusing.no_such_resource()
