"""Paths below an object: its status, its scale, its log, and what else is not the object itself."""

from collections.abc import Awaitable, Callable, Mapping
from typing import cast

from aiohttp import web

from labkit.sandbox.apiserver import (
    binding,
    eviction,
    proxying,
    reading,
    refusing,
    scaling,
    tokenrequests,
    tokens,
    writing,
)
from labkit.sandbox.apiserver.calls import Call
from labkit.sandbox.apiserver.core import Core
from labkit.sandbox.apiserver.nodes import NodeAgent
from labkit.sandbox.apiserver.writing import Written

STREAMED = ("log", "exec", "attach", "portforward")
"""What the node serves, not the store."""

NODES = "/nodes"
PROXIED = (NODES, "/pods", "/services")
SUMMARY = "/proxy/stats/summary"

Serve = Callable[[Call], Awaitable[Written]]


class Subresources:
    """Serves what lies below objects."""

    def __init__(self, core: Core, signer: tokens.Tokens) -> None:
        self._core = core
        self.node: NodeAgent | None = None
        self._special: Mapping[str, Mapping[str, Serve]] = {
            "binding": {"create": lambda call: binding.bind(core, call)},
            "eviction": {"create": lambda call: eviction.evict(core, call)},
            "token": {"create": lambda call: tokenrequests.create(core, signer, call)},
            "finalize": {"update": self._update},
            "resize": {"get": self._get, "update": _unserved, "patch": _unserved},
            "scale": {
                "get": lambda call: scaling.get(core, call),
                "update": lambda call: scaling.update(core, call),
                "patch": lambda call: scaling.patch(core, call),
            },
        }
        self._part: Mapping[str, Serve] = {"get": self._get, "update": self._update, "patch": self._patch}

    async def serve(self, request: web.BaseRequest, call: Call) -> Written | web.StreamResponse:
        """The outcome of a write or read, or an answer that is written already."""
        if call.subresource == "proxy" and call.served.key in PROXIED:
            if call.served.key == NODES:
                return self._page_of_node(request, call)
            return await proxying.forward(self._core, request, call)
        if call.subresource in STREAMED and call.subresource in call.served.subresources:
            return await self._stream(request, call)
        return await self.write(call)

    async def write(self, call: Call) -> Written:
        """What needs no HTTP; most subresources are a part of the object that is read and written by itself."""
        if call.subresource not in call.served.subresources:
            if call.served.crd is not None:
                raise refusing.not_found(call.served.group, call.served.plural, call.name)
            raise refusing.no_such_resource()
        serve = self._special.get(call.subresource, self._part).get(call.verb)
        if serve is None:
            raise refusing.method_not_allowed()
        if call.verb == "patch":
            writing.check_patch(call)
        call.check_options()
        return await serve(call)

    async def _get(self, call: Call) -> Written:
        return Written(200, await reading.get(self._core, call))

    async def _update(self, call: Call) -> Written:
        return await writing.update(self._core, call)

    async def _patch(self, call: Call) -> Written:
        return await writing.patch(self._core, call)

    def _page_of_node(self, request: web.BaseRequest, call: Call) -> web.StreamResponse:
        """Of a kubelet's own pages there is one."""
        self._core.find(call.served, "", call.name)
        if not request.path.endswith(SUMMARY) or self.node is None:
            raise refusing.bad_request(f"of a node's pages the sandbox serves {SUMMARY.removeprefix('/proxy')} alone")
        if request.method != "GET":
            raise refusing.method_not_allowed()
        return web.json_response(self.node.summary())

    async def _stream(self, base_request: web.BaseRequest, call: Call) -> web.StreamResponse:
        if call.verb not in (("get",) if call.subresource == "log" else ("get", "create")):
            raise refusing.method_not_allowed()
        pod = self._core.find(call.served, call.namespace, call.name).object
        if self.node is None:
            raise refusing.internal(f"no node serves the {call.subresource} of pods")
        # An agent needs nothing of the application that a Request has and a BaseRequest has not.
        request = cast(web.Request, base_request)
        if call.subresource == "log":
            return await self.node.log(request, pod)
        if call.subresource == "portforward":
            return await self.node.port_forward(request, pod)
        return await self.node.exec(request, pod, attach=call.subresource == "attach")


async def _unserved(call: Call) -> Written:
    # Better than to accept what no kubelet of ours will do, and leave the client waiting for it.
    raise refusing.bad_request(
        f"the sandbox does not change the {call.subresource} of a running pod; delete it and create it anew"
    )
