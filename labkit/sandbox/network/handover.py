"""The ports of a pod without a sidecar: its program listens at the pod's address until the node's proxy takes over.

Such a program also listens on a socket of the pod's folder, always. When the pod joins ambient, the node's Envoy
listens at the pod's address as well and reaches the program by that socket; then the program lets go of the address.
Where two sockets share an address, the kernel deals connections out to both; so the one that lets go first sends all
new ones to the other (SO_ATTACH_REUSEPORT_CBPF, socket(7)), accepts what it was still given, and closes last: no
connection is lost. Standard library only: the smallest programs load it.
"""

import asyncio
import contextlib
import ctypes
import errno
import json
import os
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from labkit.mesh.place import announced_socket, app_socket
from labkit.sandbox.network import door, listening, proxyheader, sockets

TAKEN_OVER = "LABKIT_TAKEN_OVER"
"""Set in a pod whose address the node's proxy has already, or is about to have."""

RELEASE, TAKE, DONE = b"release\n", b"take\n", b"done\n"
"""What the pod's network tells a program that holds a line, and its answer."""

LAST_GIVEN = 0.05
"""Seconds in which the kernel hands over what it gave to a socket before: microseconds, on this machine."""

SO_ATTACH_REUSEPORT_CBPF = 51
_RETURN = 0x06
"""BPF_RET | BPF_K."""

BACKLOG = 1024
Factory = Callable[[], asyncio.Protocol]
Environment = Callable[[], Mapping[str, str]]
"""What tells a program of the pod of its network, as of now."""


@runtime_checkable
class Called(Protocol):
    """A server's side of a connection that wants to know who calls."""

    def called_by(self, address: proxyheader.Address) -> None:
        """Told before the connection is made, where the node's proxy brings it."""


class Announced(asyncio.Protocol):
    """A connection from the node's proxy: it begins with a PROXY header, which the program itself never sees."""

    def __init__(self, factory: Factory) -> None:
        self._factory, self._early = factory, b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._early += data
        if len(self._early) < proxyheader.START:
            return
        try:
            size = proxyheader.size_of(self._early[: proxyheader.START])
            if len(self._early) < size:
                return
            caller, _ = proxyheader.parse(self._early[:size])
        except proxyheader.HeaderError:
            self._transport.abort()
            return
        program = self._factory()
        if isinstance(program, Called):
            program.called_by(caller)
        self._transport.set_protocol(program)
        program.connection_made(self._transport)
        if rest := self._early[size:]:
            program.data_received(rest)


@dataclass(eq=False, kw_only=True)
class Port:
    """One port that a program serves."""

    factory: Factory
    number: int
    env: Mapping[str, str]
    folder: Path
    servers: dict[str, asyncio.Server] = field(default_factory=dict)
    """By the name of a socket of the pod's folder, and ``address`` while the program has it."""

    _held: asyncio.Task[None] | None = None
    _line: asyncio.StreamWriter | None = None

    async def open(self) -> None:
        """Listen and tell the pod's network; OSError where another program has the port.

        The pod's own socket comes last: a probe that finds it finds a port that others can reach too.
        """
        path = self.folder / app_socket(self.number)
        if TAKEN_OVER not in self.env:
            await self._bind(is_shared=False)
        elif sockets.is_taken(path):
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        try:
            await self._serve(self.folder / announced_socket(self.number), lambda: Announced(self.factory))
            reader, self._line = await _announced(self.folder, self.number, has_address="address" in self.servers)
            await self._serve(path, self.factory)
        except BaseException:
            self.close()
            raise
        self._held = asyncio.create_task(self._follow(reader, self._line))

    async def _serve(self, path: Path, factory: Factory) -> None:
        listener = sockets.listen(path, backlog=BACKLOG)
        self.servers[path.name] = await asyncio.get_running_loop().create_unix_server(
            factory, sock=listener, backlog=BACKLOG
        )

    async def _bind(self, *, is_shared: bool) -> socket.socket:
        host = listening.pod_address(self.env)
        if not is_shared:
            # A shared address would be given to a second program of the pod as well: ask for it alone first.
            _listener(host, self.number, is_shared=False).close()
        listener = _listener(host, self.number, is_shared=True)
        try:
            self.servers["address"] = await asyncio.get_running_loop().create_server(
                self.factory, sock=listener, backlog=BACKLOG
            )
        except BaseException:
            listener.close()
            raise
        return listener

    async def _follow(self, reader: asyncio.StreamReader, line: asyncio.StreamWriter) -> None:
        """Do what the pod's network says, for as long as it does."""
        with contextlib.suppress(OSError):
            while order := await reader.readline():
                if order == RELEASE:
                    await self._release()
                elif order == TAKE and "address" not in self.servers:
                    # Of two sockets the younger one has number 1.
                    send_to(await self._bind(is_shared=True), 1)
                line.write(DONE)
                await line.drain()

    async def _release(self) -> None:
        server = self.servers.pop("address", None)
        if server is None:
            return
        # The Envoy listens by now, as the second one: the pod's network has looked.
        for listener in server.sockets:
            send_to(listener, 1)
        await asyncio.sleep(LAST_GIVEN)
        server.close()

    def close(self) -> None:
        """Listen no more."""
        for server in self.servers.values():
            server.close()
        self.servers.clear()
        for name in (app_socket(self.number), announced_socket(self.number)):
            (self.folder / name).unlink(missing_ok=True)
        if self._held:
            self._held.cancel()
        if self._line:
            self._line.close()


async def serve(
    stack: contextlib.AsyncExitStack, factory: Factory, port: int, env: Mapping[str, str]
) -> tuple[list[asyncio.Server], str]:
    """Serve a port of the pod until the stack ends: the servers, and how to show where; OSError when it is taken."""
    folder = door.folder_of(env)
    loop = asyncio.get_running_loop()
    if folder is None or listening.BEHIND in env:
        listener, shown = stack.enter_context(listening.listening(port, env))
        start = loop.create_unix_server if listener.family == socket.AF_UNIX else loop.create_server
        server: asyncio.Server = await start(factory, sock=listener, backlog=BACKLOG)
        stack.callback(server.close)
        return [server], shown
    served = Port(factory=factory, number=port, env=env, folder=folder)
    await served.open()
    stack.callback(served.close)
    return list(served.servers.values()), f"{listening.pod_address(env)}:{port}"


def send_to(listener: object, number: int) -> None:
    """Let the kernel give new connections to one of the sockets that share an address; no-op where it cannot."""
    program = ctypes.create_string_buffer(struct.pack("HBBI", _RETURN, 0, 0, number))
    option = struct.pack("HxxxxxxQ", 1, ctypes.addressof(program))
    with contextlib.suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, option)  # type: ignore[attr-defined]


def _listener(host: str, port: int, *, is_shared: bool) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared and hasattr(socket, "SO_REUSEPORT"):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as e:
        listener.close()
        raise OSError(e.errno, os.strerror(e.errno or 0)) from e
    return listener


async def _announced(
    folder: Path, port: int, *, has_address: bool
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    link = sockets.connect(folder / door.SOCKET, within=5.0)
    link.setblocking(False)
    reader, writer = await asyncio.open_unix_connection(sock=link)
    told = {"listen": port, "hands_over": True, "has_address": has_address}
    writer.write(json.dumps(told).encode() + b"\n")
    await reader.readline()
    return reader, writer
