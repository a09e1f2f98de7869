"""The API server: HTTPS on loopback, a kubeconfig for its owner, and ``local`` for who lives in its process."""

import asyncio
import contextlib
import json
import logging
import socket
import sqlite3
import ssl
from pathlib import Path

from aiohttp import web
from aiohttp.http import HttpProcessingError

from labkit.base import ports, private
from labkit.kube import events
from labkit.kube.resources import Object
from labkit.sandbox.apiserver import (
    admission,
    authentication,
    authorization,
    bootstrap,
    crds,
    documents,
    limits,
    pki,
    recovery,
    reviews,
    routes,
    subresources,
    tokens,
)
from labkit.sandbox.apiserver.core import Core
from labkit.sandbox.apiserver.local import LocalApi
from labkit.sandbox.apiserver.nodes import NodeAgent
from labkit.sandbox.apiserver.registry import Registry
from labkit.sandbox.apiserver.store import Store

HOST = "127.0.0.1"
NAME = "labkit"
"""The cluster, user and context of the kubeconfig."""


LONGEST_HEADERS = 1024 * 1024
"""Bytes of the headers of a request that a Go server reads."""


def _http_log() -> logging.Logger:
    """The log of the HTTP server, without requests that are no HTTP: who sent them is told."""
    log = logging.getLogger(f"{__name__}.http")
    log.filters = [lambda record: not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))]
    return log


class Server:
    """One API server over one state folder."""

    def __init__(self, *, state: Path, kubeconfig: Path, port: int = 0, inside: str = "") -> None:
        self._state, self._kubeconfig = state, kubeconfig
        self.port = port
        """Where it listens on 127.0.0.1; 0 asks for the port of last time, or any."""

        self._inside = inside
        """A second address to listen on, where pods reach it by its Service."""

        self.notices: list[str] = []
        """What a person should know of this start: what was damaged, and what became of it."""

        self._credentials = pki.credentials(state / "pki", notice=self.notices.append)
        self.root_ca = self._credentials.authority.read_text()
        """The certificate, in PEM, that clients trust."""

        self._objects = state / "objects.db"
        if damage := recovery.repair(self._objects, has_served=(state / "port").exists()):
            self.notices.append(damage)
        self._core = Core(store=Store(self._objects), registry=Registry())
        self._copied = 0
        admin = self._credentials.admin_token.read_text()
        self._tokens = tokens.Tokens(self._credentials.token_key.read_bytes(), admin=admin, lookup=self._core.peek)
        self._definitions = crds.Definitions(self._core)
        self._authorizer = authorization.Authorizer(self._core.store)
        self._webhooks = admission.install(self._core, self._authorizer, limits.Limits(self._record))
        self._subs = subresources.Subresources(self._core, self._tokens)
        self._reviews = reviews.Reviews(self._tokens, self._authorizer)
        self.local = LocalApi(self._core, self._subs, self._reviews)
        """The same API for callers in this process."""

        self._runner: web.ServerRunner | None = None

    def __repr__(self) -> str:
        return f"Server(https://{HOST}:{self.port})"

    @property
    def node(self) -> NodeAgent | None:
        """Who serves logs and commands of pods."""
        return self._subs.node

    @node.setter
    def node(self, agent: NodeAgent | None) -> None:
        self._subs.node = agent

    async def start(self) -> None:
        """Serve, with the objects every cluster has; the kubeconfig is there when this returns."""
        self._definitions.start()
        handler = routes.Routes(
            self._core,
            documents=documents.Documents(self._core.registry),
            authenticator=authentication.Authenticator(self._tokens),
            authorizer=self._authorizer,
            subs=self._subs,
            reviews=self._reviews,
        )
        # A client that goes away ends its request: else a watch would live on until it next had something to say.
        server = web.Server(
            handler.handle,
            access_log=None,
            handler_cancellation=True,
            logger=_http_log(),
            # Bodies are what was sent: a real server takes no encoding off them.
            auto_decompress=False,
            max_line_size=LONGEST_HEADERS,
            max_field_size=LONGEST_HEADERS,
        )
        self._runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=0.2)
        await self._runner.setup()
        listening = self._listen()
        self.port = listening.getsockname()[1]
        await web.SockSite(self._runner, listening, ssl_context=self._tls()).start()
        if self._inside:
            await web.TCPSite(self._runner, self._inside, self.port, ssl_context=self._tls()).start()
        await bootstrap.fill(self.local, port=self.port, inside=self._inside)
        self._write_kubeconfig()

    async def stop(self) -> None:
        """End every connection and let go of the state."""
        self._definitions.stop()
        await self._webhooks.close()
        if self._runner and self._runner.server:
            open_ones = [handler.transport for handler in self._runner.server.connections]
            await self._runner.cleanup()
            # A client that keeps its connection would keep the good-bye of TLS waiting.
            for transport in filter(None, open_ones):
                transport.abort()
            await asyncio.sleep(0)
        await self.copy()
        self._core.store.close()

    async def _record(self, about: Object, message: str) -> None:
        await events.record(
            self.local, about, component=limits.COMPONENT, reason="NotCarriedOut", message=message, type="Warning"
        )

    async def copy(self) -> None:
        """Copy the database, if it has changed since the last time; what a full disk has no room for waits."""
        version = self._core.store.version
        if version != self._copied:
            with contextlib.suppress(OSError, sqlite3.Error):
                await asyncio.to_thread(recovery.copy, self._objects)
                self._copied = version

    def _last_port(self) -> int:
        """Where it listened last time; 0 when nothing tells."""
        try:
            port = int((self._state / "port").read_text())
        except FileNotFoundError:
            return 0
        except (OSError, ValueError):
            port = 0
        if not 0 < port < 65536:
            self.notices.append(
                "The file with the API's port was damaged: the API has a new port. A kubectl that runs now must be "
                "started again; the kubeconfig has the new port."
            )
            return 0
        return port

    def _listen(self) -> socket.socket:
        port = self.port or self._last_port()
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # The same port after a restart keeps kubeconfigs and running kubectls valid.
        listening.bind((HOST, port if port and (self.port or ports.is_free(HOST, port)) else 0))
        listening.listen(256)
        listening.setblocking(False)
        private.write(self._state / "port", str(listening.getsockname()[1]).encode())
        return listening

    def _tls(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._credentials.certificate)
        context.set_alpn_protocols(["http/1.1"])
        return context

    def _write_kubeconfig(self) -> None:
        folder = self._kubeconfig.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A token and a path, not a key and data: the Python clients write inlined secrets to /tmp and leave
        # them there.
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": NAME,
                    "cluster": {
                        "server": f"https://{HOST}:{self.port}",
                        "certificate-authority": str(self._credentials.authority),
                    },
                }
            ],
            "users": [{"name": NAME, "user": {"token": self._credentials.admin_token.read_text()}}],
            "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}],
            "current-context": NAME,
        }
        private.write(self._kubeconfig, json.dumps(config, indent=1).encode())
