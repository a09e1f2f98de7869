"""istiod's ports: discovery over TLS, the webhooks, the debug pages, and the readiness probe's."""

import base64
import ssl
import tempfile
from collections.abc import Sequence
from typing import Any

import grpc
from aiohttp import web

from labkit.base import versions
from labkit.kube import api, resources
from labkit.kube.resources import Object
from labkit.mesh import revisions
from labkit.sandbox.istiod import authority

NAMES = ("istiod.istio-system.svc", "istiod.istio-system.svc.cluster.local", "istiod")
"""In the certificate of every revision: a proxy asks for the first, whichever istiod it hangs on."""

DISCOVERY, WEBHOOKS, DEBUG, READY = 15012, 15017, 15014, 8080
VERSION = versions.istio()
"""Istio's version that this istiod follows."""

LARGEST = 4 * 1024 * 1024
"""Bytes of an AdmissionReview: an object and its old form."""


async def discovery(
    handlers: Sequence[grpc.GenericRpcHandler], own: authority.Certificate, ip: str, port: int = DISCOVERY
) -> Any:
    """The gRPC server, started."""
    credentials = grpc.ssl_server_credentials([(own.key.encode(), own.chain.encode())])
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers(tuple(handlers))
    server.add_secure_port(f"{ip}:{port}", credentials)
    await server.start()
    return server


async def web_app(
    routes: list[web.RouteDef], ip: str, port: int, own: authority.Certificate | None = None
) -> web.AppRunner:
    """An HTTP server, over TLS with a certificate; its runner is for who ends it."""
    app = web.Application(client_max_size=LARGEST)
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, ip, port, ssl_context=_context(own) if own else None, shutdown_timeout=0.1).start()
    return runner


def ready() -> list[web.RouteDef]:
    """``/ready``."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="")

    return [web.get("/ready", answer)]


def names(revision: revisions.Revision) -> tuple[str, ...]:
    """The host names in one istiod's certificate."""
    own = revision.named("istiod")
    return tuple(dict.fromkeys((*NAMES, f"{own}.istio-system.svc", f"{own}.istio-system.svc.cluster.local", own)))


def version(number: str = VERSION) -> list[web.RouteDef]:
    """``/version``, as istioctl reads it: version, revision and state of the build."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=f"{number}-labkit-Sandbox")

    return [web.get("/version", answer)]


async def announce_webhooks(client: api.Api, root: str, revision: str = revisions.DEFAULT) -> None:
    """Tell the API server which certificate signs this revision's webhooks; before that nothing may be injected."""
    bundle = base64.b64encode(root.encode()).decode()
    for resource in (resources.MUTATING_WEBHOOKS, resources.VALIDATING_WEBHOOKS):
        labels = f"app in (istiod,sidecar-injector),{revisions.LABEL}={revision}"
        for configuration in (await client.list(resource, labels=labels))["items"]:
            hooks: list[Object] = [
                {**h, "clientConfig": {**h["clientConfig"], "caBundle": bundle}} for h in configuration["webhooks"]
            ]
            # A stock installation lets istiod update these, not patch them.
            own_kind = {"apiVersion": resource.api_version, "kind": resource.kind}
            await client.replace(resource, {**own_kind, **configuration, "webhooks": hooks})


def _context(own: authority.Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(own.key + own.chain)
        file.flush()
        context.load_cert_chain(file.name)
    return context
