"""``kubectl exec`` and ``attach``: a process's input and output over the channels of a WebSocket."""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import struct
import termios
from dataclasses import dataclass

from aiohttp import web

from labkit.sandbox.apiserver.streams import channels
from labkit.sandbox.kubelet import container, launching, pump

_CHUNK = 65536


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What a client asked for."""

    command: list[str]
    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool

    @classmethod
    def of(cls, request: web.Request) -> "Wishes":
        """From the query of the request."""
        flags = {name: request.query.get(name) in ("1", "true") for name in ("stdin", "stdout", "stderr", "tty")}
        return cls(command=request.query.getall("command", []), **flags)

    @property
    def first_output(self) -> int | None:
        """The lowest channel that we shall write."""
        wished = ((self.stdout, channels.STDOUT), (self.stderr, channels.STDERR))
        return next((channel for is_wished, channel in wished if is_wished), None)


async def open_channels(request: web.Request, wishes: Wishes) -> channels.Channels:
    """Accept the WebSocket and say that it is open, as clients expect."""
    client = channels.Channels(await channels.accept(request))
    if wishes.first_output is not None:
        await client.send(wishes.first_output, b"")
    return client


class Terminal:
    """Our ends of a process's input and output, and its ends until they are handed over."""

    def __init__(self, wishes: Wishes) -> None:
        self.input: int | None = None
        self.outputs: list[tuple[int, int]] = []
        """Channel and descriptor."""
        self.tty: int | None = None
        if wishes.tty:
            self.tty, theirs = os.openpty()
            self.theirs = [theirs, theirs, theirs]
            self.outputs = [(channels.STDOUT, os.dup(self.tty))]
            self.input = os.dup(self.tty) if wishes.stdin else None
            return
        if wishes.stdin:
            stdin, self.input = os.pipe()
        else:
            stdin = os.open(os.devnull, os.O_RDONLY)
        self.theirs = [stdin]
        for channel in (channels.STDOUT, channels.STDERR):
            ours, theirs = pump.wide_pipe()
            self.theirs.append(theirs)
            self.outputs.append((channel, ours))

    def hand_over(self) -> None:
        """Close the process's ends."""
        for fd in set(self.theirs):
            os.close(fd)

    def close(self) -> None:
        """Close what nobody took."""
        if self.tty is not None:
            os.close(self.tty)
            self.tty = None

    def resize(self, data: bytes) -> None:
        """``{"Width": columns, "Height": rows}``."""
        with contextlib.suppress(ValueError, KeyError, TypeError, struct.error, OSError):
            size = json.loads(data)
            if self.tty is not None:
                window = struct.pack("HHHH", size["Height"], size["Width"], 0, 0)
                fcntl.ioctl(self.tty, termios.TIOCSWINSZ, window)


async def execute(held: container.Container, client: channels.Channels, wishes: Wishes) -> None:
    """Run the command and tell its exit code; if the client leaves first, the command is killed."""
    try:
        command = held.exec_command(wishes.command, tty=wishes.tty)
        terminal = Terminal(wishes)
        try:
            process = await held.owner.shared.launcher.start(command, terminal.theirs)
        finally:
            terminal.hand_over()
    except launching.StartError as e:
        await client.finish(channels.start_failure(str(e)))
        return
    held.sessions.add(process)
    feeding = asyncio.create_task(_feed(client, terminal))
    wished = {channel for channel, w in ((channels.STDOUT, wishes.stdout), (channels.STDERR, wishes.stderr)) if w}
    copies = [asyncio.create_task(_show(client, c, fd, c in wished)) for c, fd in terminal.outputs]
    try:
        ended = asyncio.create_task(_exit_code(process, copies))
        await asyncio.wait((ended, feeding), return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            await client.finish(channels.exit_status(ended.result()))
        else:
            ended.cancel()
    finally:
        held.owner.shared.launcher.signal(process, signal.SIGKILL, group=True)
        held.sessions.discard(process)
        for task in (feeding, *copies):
            task.cancel()
        await asyncio.wait({feeding, *copies})
        terminal.close()


async def _exit_code(process: launching.Process, copies: list[asyncio.Task[None]]) -> int:
    """Once all of its output has been sent, too."""
    code = await asyncio.shield(process.ended)
    await asyncio.wait(copies)
    return code


async def _show(client: channels.Channels, channel: int, fd: int, is_wished: bool) -> None:
    """Send what comes from ``fd`` until its end; the process waits when the client is slow."""
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(fd, "rb", 0))
    try:
        # A terminal whose other side is closed ends with EIO.
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                if is_wished:
                    await client.send(channel, data)
    finally:
        transport.close()


async def _feed(client: channels.Channels, terminal: Terminal) -> None:
    """Hand the client's input to the process until the client leaves."""
    writer = await _writer(terminal.input) if terminal.input is not None else None
    try:
        async for channel, data in client.messages():
            if channel == channels.RESIZE:
                terminal.resize(data)
            elif channel == channels.STDIN and writer and data:
                with contextlib.suppress(ConnectionError):
                    writer.write(data)
                    await writer.drain()
            elif channel == channels.CLOSE and data[:1] == bytes([channels.STDIN]) and writer:
                writer.close()
                writer = None
    finally:
        if writer:
            writer.close()


async def _writer(fd: int) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, os.fdopen(fd, "wb", 0))
    return asyncio.StreamWriter(transport, protocol, None, loop)


async def attach(held: container.Container, client: channels.Channels, wishes: Wishes) -> None:
    """Join the container's own process: its output from now on, and its input if it has one."""
    log, process = held.log, held.process
    if log is None or process is None:
        await client.finish(channels.start_failure("the container is not running"))
        return
    shown: asyncio.Queue[bytes | None] = asyncio.Queue()
    log.listeners.add(shown.put_nowait)
    terminal = _Joined(held, has_input=wishes.stdin)
    feeding = asyncio.create_task(_feed(client, terminal))
    copying = asyncio.create_task(_show_all(client, shown))
    try:
        await asyncio.wait({feeding, copying}, return_when=asyncio.FIRST_COMPLETED)
        if copying.done():
            await client.finish(channels.SUCCESS)
    finally:
        log.listeners.discard(shown.put_nowait)
        for task in (feeding, copying):
            task.cancel()
        await asyncio.wait({feeding, copying})
        if wishes.stdin and held.spec.get("stdinOnce") and held.stdio:
            held.stdio.close_input()


class _Joined(Terminal):
    """The terminal of a container's own process, which stays when the client leaves."""

    def __init__(self, held: container.Container, *, has_input: bool) -> None:
        ends = held.stdio
        self.input = os.dup(ends.input) if has_input and ends and ends.input is not None else None
        self.tty = ends.tty if ends else None
        self.outputs, self.theirs = [], []


async def _show_all(client: channels.Channels, shown: asyncio.Queue[bytes | None]) -> None:
    while (data := await shown.get()) is not None:
        await client.send(channels.STDOUT, data)
