"""``python -m labkit.sandbox.kubelet.launcher FD MODULE…``: the parent of every container process.

One thread, the programs' modules loaded once, and a fork for each container: that costs a third of the
memory and of the time of a fresh interpreter each. It says on its socket who ended and how. When the
socket closes, the sandbox is gone: every child is killed and the launcher leaves.
"""

import contextlib
import gc
import importlib
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from labkit.base import processes
from labkit.sandbox.kubelet import child, isolation, linux, wire
from labkit.sandbox.kubelet.rootfs import Rootfs


class Launcher:
    """Serves one sandbox."""

    def __init__(self, end: socket.socket) -> None:
        self._wire = wire.Wire(end)
        self._alive: set[int] = set()
        """Children we were asked for. Each leads a session and a process group of its own."""
        self._groups: set[int] = set()
        """Those that share the machine's processes: what they leave behind must be found by its group."""
        self._first: set[int] = set()
        """Those that are number 1 of a container of their own."""
        self._ended_for: dict[int, int] = {}
        """Signals that a first process did not handle, for which it was killed."""
        self._self = os.pidfd_open(os.getpid())
        self._woken, self._waker = os.pipe()
        for fd in (self._woken, self._waker):
            os.set_blocking(fd, False)

    def serve(self, *, isolates: bool) -> None:
        """Work until the sandbox hangs up; first say whether containers can have namespaces of their own."""
        self._wire.send({"say": "ready", "isolates": isolates})
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        events = select.poll()
        events.register(self._wire.socket, select.POLLIN)
        events.register(self._woken, select.POLLIN)
        is_wanted = True
        while is_wanted:
            for fd, _ in events.poll():
                if fd == self._woken:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._woken, 4096)
                else:
                    frames, is_wanted = self._wire.receive()
                    for frame, files in frames:
                        self._obey(frame, files)
            is_wanted = self._reap() and is_wanted

    def _obey(self, frame: dict[str, Any], files: list[int]) -> None:
        if frame["do"] == "start":
            self._start(frame, files)
        elif frame["do"] == "signal" and frame["pid"] in self._alive:
            self._signal(frame["pid"], frame["signal"], group=frame["group"])

    def _signal(self, pid: int, number: int, *, group: bool) -> None:
        if pid in self._first and number != signal.SIGKILL and not _handles(pid, number):
            # The kernel keeps such signals from a namespace's first process: `sleep` in a container outlives SIGTERM.
            # Here it ends at once, as under `docker run --init`: nobody learns from waiting half a minute.
            self._ended_for[pid] = number
            number = signal.SIGKILL
        # Not reaped yet, so the number cannot have passed to another process.
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(pid, number)

    def _start(self, frame: dict[str, Any], files: list[int]) -> None:
        try:
            pid = self._member(frame, files) if frame["member"] else self._leader(frame, files)
        except OSError as e:
            self._wire.send({"say": "failed", "id": frame["id"], "error": str(e)})
        else:
            self._alive.add(pid)
            if not frame["rootfs"]:
                self._groups.add(pid)
            elif not frame["member"]:
                self._first.add(pid)
            self._wire.send({"say": "started", "id": frame["id"], "pid": pid})
        for fd in files:
            os.close(fd)

    def _leader(self, frame: dict[str, Any], files: list[int]) -> int:
        """The first process of a container."""
        pid = linux.fork(isolation.flags(Rootfs.of(frame["rootfs"])) if frame["rootfs"] else 0)
        if pid == 0:
            child.become(frame, files, launcher=self._self)
        return pid

    def _member(self, frame: dict[str, Any], files: list[int]) -> int:
        """A further process of the container whose first one is ``frame["member"]``.

        Only the children of a process that joined are members, so it forks once more, for us, and ends.
        """
        if frame["member"] not in self._first:
            raise OSError("the container has ended")
        reading, writing = os.pipe()
        between = os.fork()
        if between == 0:
            with contextlib.suppress(OSError):
                isolation.join(frame["member"], Rootfs.of(frame["rootfs"]))
                pid = linux.fork(linux.CLONE_PARENT)
                if pid == 0:
                    child.become(frame, files, launcher=self._self, orphaned=True)
                os.write(writing, str(pid).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as answer:
            number = answer.read()
        os.waitpid(between, 0)
        if not number:
            raise OSError("the container cannot be joined")
        return int(number)

    def _reap(self) -> bool:
        """Report every child that ended; False when nobody listens any more."""
        while (pid := _dead_child()) is not None:
            if pid in self._groups:
                # As in a container, nothing survives its first process; with namespaces the kernel sees to it.
                self._groups.discard(pid)
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            if pid in self._alive:
                self._alive.discard(pid)
                self._first.discard(pid)
                status = self._ended_for.pop(pid, status)
                try:
                    self._wire.send({"say": "ended", "pid": pid, "status": status})
                except OSError:
                    return False
        return True

    def end_all(self) -> None:
        """Kill every descendant, those included that left their process group."""
        while left := processes.children(os.getpid()) or list(self._alive):
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                while True:
                    self._alive.discard(os.waitpid(-1, 0)[0])
            self._alive.clear()


def _dead_child() -> int | None:
    """A child that has ended, left as a zombie so that its number stays its own."""
    try:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return ended.si_pid if ended else None


def _handles(pid: int, number: int) -> bool:
    """Whether a container's first process has a handler for a signal, or wants it ignored; not before it is built."""
    with contextlib.suppress(OSError):
        if not isolation.is_built(pid):
            return False
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        masks = [int(line.split()[1], 16) for line in lines if line.startswith(("SigIgn:", "SigCgt:"))]
        return any(mask >> (number - 1) & 1 for mask in masks)
    return True


def main(arguments: list[str]) -> int:
    """Load the modules, then serve on the inherited socket."""
    end = socket.socket(fileno=int(arguments[0]))
    os.set_inheritable(end.fileno(), False)
    # Ctrl-C in the terminal of `python -m labkit.sandbox` is the sandbox's to handle.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    linux.adopt_orphans()
    for name in arguments[1:]:
        try:
            importlib.import_module(name)
        except Exception as e:
            # The container that needs it will fail with the whole story; the others must run.
            print(f"launcher: cannot load {name}: {e!r}", file=sys.stderr, flush=True)
    gc.collect()
    gc.freeze()
    launcher = Launcher(end)
    launcher.serve(isolates=isolation.is_possible())
    launcher.end_all()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
