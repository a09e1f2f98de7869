"""The kubelet's end of the launcher: start processes, signal them, and learn how they ended."""

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from labkit.base import processes, settings
from labkit.sandbox.kubelet import isolation, wire
from labkit.sandbox.kubelet.rootfs import Rootfs

RESTART_AFTER = 0.1
"""Seconds before a lost launcher is replaced, so that one that cannot live does not eat a core."""

KILLED = 128 + signal.SIGKILL


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to run."""

    argv: Sequence[str]
    entry: str = ""
    """``package.module:function``; empty to run the machine's own program named by ``argv[0]``."""

    env: dict[str, str]
    """The whole environment."""

    cwd: str
    tty: bool = False
    """Make the first file the controlling terminal."""

    rootfs: Rootfs | None = None
    """The container's own view; None where the machine's files are shared."""

    member: "Process | None" = None
    """The first process of the container to enter; None for a first process."""


@dataclass(eq=False, kw_only=True)
class Process:
    """A child of the launcher, leading a process group of its own."""

    pid: int
    ended: asyncio.Future[int] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """The exit code as a shell counts: 128 + n after signal n."""

    was_lost: bool = False
    """Whether it ended with the launcher, so by no fault of its own."""

    fd: int = -1
    """The pidfd of a container's first process, which is our own child and outlives the launcher; else -1."""

    ended_for: int = 0
    """The signal that it did not handle, for which it was killed."""


class StartError(Exception):
    """The launcher could not fork."""


class LostError(StartError):
    """The launcher ended before it could fork."""


class Launcher:
    """Keeps one launcher process alive while ``run`` runs."""

    def __init__(self, modules: Sequence[str]) -> None:
        self._modules = list(modules)
        self._popen: subprocess.Popen[bytes] | None = None
        self._wire: wire.Wire | None = None
        self._end = -1
        """The launcher's pidfd, or -1 on a kernel without."""

        self._is_up = asyncio.Event()
        self._lost = asyncio.Event()
        self._ids = itertools.count()
        self._starting: dict[int, asyncio.Future[Process]] = {}
        self._alive: dict[int, Process] = {}
        self._isolates: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def __repr__(self) -> str:
        return f"Launcher(pid={self.pid}, {len(self._alive)} processes)"

    @property
    def pid(self) -> int | None:
        """The launcher's own process."""
        return self._popen.pid if self._popen else None

    async def isolates(self) -> bool:
        """Whether this machine lets containers have namespaces of their own: files, processes and name."""
        return await asyncio.shield(self._isolates)

    async def run(self) -> None:
        """Start it, and start another whenever it dies; on cancellation all containers end."""
        try:
            while True:
                self._open()
                await self._lost.wait()
                self._close()
                await asyncio.sleep(RESTART_AFTER)
        finally:
            self._close()
            for process in [p for p in self._alive.values() if p.fd >= 0]:
                _signal(process, signal.SIGKILL, group=False)
                self._bury(process)

    async def start(self, command: Command, files: Sequence[int]) -> Process:
        """Fork a process with ``files`` as its first descriptors; StartError when that fails."""
        await self._is_up.wait()
        assert self._wire is not None
        number = next(self._ids)
        reply: asyncio.Future[Process] = asyncio.get_running_loop().create_future()
        self._starting[number] = reply
        frame: dict[str, Any] = {
            "do": "start",
            "id": number,
            "argv": list(command.argv),
            "entry": command.entry,
            "env": command.env,
            "cwd": command.cwd,
            "tty": command.tty,
            "rootfs": command.rootfs.frame() if command.rootfs else None,
            "member": command.member.pid if command.member and command.rootfs else 0,
        }
        if frame["member"] and frame["member"] not in self._alive:
            raise StartError("the container has ended")
        try:
            self._wire.send(frame, files)
            return await reply
        except ConnectionError as e:
            raise LostError(str(e)) from e
        except OSError as e:
            raise StartError(str(e)) from e
        finally:
            self._starting.pop(number, None)

    def signal(self, process: Process, number: int, *, group: bool = False) -> None:
        """Send a signal to the process, or to its whole group; nothing happens when it has ended."""
        if process.pid not in self._alive:
            return
        if process.fd >= 0:
            _signal(process, number, group=group)
        elif self._wire:
            with contextlib.suppress(OSError):
                self._wire.send({"do": "signal", "pid": process.pid, "signal": number, "group": group})

    def _open(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "labkit.sandbox.kubelet.launcher", str(theirs.fileno()), *self._modules],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                cwd=settings.CHECKOUT,
                env=_environment(),
                start_new_session=True,
            )
        self._wire = wire.Wire(ours)
        self._lost.clear()
        loop = asyncio.get_running_loop()
        loop.add_reader(ours, self._read)
        with contextlib.suppress(OSError):
            self._end = os.pidfd_open(self._popen.pid)
            loop.add_reader(self._end, self._lose)
        self._is_up.set()

    def _read(self) -> None:
        assert self._wire is not None
        frames, is_there = self._wire.receive()
        for frame, _ in frames:
            self._hear(frame)
        if not is_there:
            self._unwatch()

    def _lose(self) -> None:
        """The launcher has ended, though a child that it forked in its last moment may hold its socket open."""
        self._read()
        self._unwatch()

    def _unwatch(self) -> None:
        """Stop to listen to a launcher that is lost."""
        loop = asyncio.get_running_loop()
        if self._wire:
            loop.remove_reader(self._wire.socket)
        if self._end >= 0:
            loop.remove_reader(self._end)
            os.close(self._end)
            self._end = -1
        self._is_up.clear()
        self._lost.set()

    def _hear(self, frame: dict[str, Any]) -> None:
        if frame["say"] == "ready":
            if not self._isolates.done():
                self._isolates.set_result(frame["isolates"])
            return
        if frame["say"] == "ended":
            process = self._alive.pop(frame["pid"], None)
            if process and not process.ended.done():
                code = os.waitstatus_to_exitcode(frame["status"])
                process.ended.set_result(code if code >= 0 else 128 - code)
            return
        reply = self._starting.get(frame["id"])
        if frame["say"] == "started":
            process = self._alive[frame["pid"]] = Process(pid=frame["pid"])
            if frame["is_first"]:
                process.fd = os.pidfd_open(process.pid)
                asyncio.get_running_loop().add_reader(process.fd, self._bury, process)
            if reply and not reply.done():
                reply.set_result(process)
            else:  # whoever asked was cancelled meanwhile
                self.signal(process, signal.SIGKILL, group=True)
        elif reply and not reply.done():
            reply.set_exception(StartError(frame["error"]))

    def _end_strays(self) -> None:
        """Kill what a launcher forked in its last moment and could not tell us of: it is our child already."""
        for pid, parent in processes.parents().items():
            if parent == os.getpid() and pid not in self._alive:
                with contextlib.suppress(ProcessLookupError, ChildProcessError):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)

    def _bury(self, process: Process) -> None:
        """Take leave of a child of ours that has ended."""
        _, status = os.waitpid(process.pid, 0)
        asyncio.get_running_loop().remove_reader(process.fd)
        os.close(process.fd)
        del self._alive[process.pid]
        code = os.waitstatus_to_exitcode(process.ended_for or status)
        if not process.ended.done():
            process.ended.set_result(code if code >= 0 else 128 - code)

    def _close(self) -> None:
        """Hang up; whatever the launcher leaves behind (it was killed itself) is killed from here."""
        self._unwatch()
        if self._wire:
            self._wire.socket.close()
            self._wire = None
        if self._popen:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(5)
            self._popen.kill()
            self._popen.wait()
        self._end_strays()
        lost = {pid: process for pid, process in self._alive.items() if process.fd < 0}
        for pid, process in lost.items():
            del self._alive[pid]
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            if not process.ended.done():
                process.was_lost = True
                process.ended.set_result(KILLED)
        for reply in self._starting.values():
            if not reply.done():
                reply.set_exception(LostError("the launcher ended"))


def _environment() -> dict[str, str]:
    """Nothing of the sandbox's own but what Python needs."""
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TZ", "VIRTUAL_ENV") if name in os.environ}
    return {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(settings.CHECKOUT), "PYTHONUTF8": "1"} | kept


def _signal(process: Process, number: int, *, group: bool) -> None:
    """To a child of ours, which is not reaped yet: its number cannot have passed to another process."""
    if number != signal.SIGKILL and not isolation.handles(process.pid, number):
        # The kernel keeps such signals from a namespace's first process: `sleep` in a container outlives SIGTERM.
        # Here it ends at once, as under `docker run --init`: nobody learns from waiting half a minute.
        process.ended_for, number = number, signal.SIGKILL
    # The kernel ends a namespace with its first process; another signal may be for the group.
    send = os.killpg if group and number != signal.SIGKILL else os.kill
    with contextlib.suppress(ProcessLookupError):
        send(process.pid, number)
