"""``python -m labkit.sandbox.kubelet.launcher FD MODULE…``: what every container process is forked from.

One thread, the programs' modules loaded once, and a fork for each container: that costs a third of the
memory and of the time of a fresh interpreter each. A container with namespaces of its own becomes the sandbox's child,
and outlives this launcher; any other is ours: we say on the socket who ended and how. When the
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
from typing import Any

from labkit.base import loading, processes
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
        self._self = os.pidfd_open(os.getpid())
        self._sandbox = os.pidfd_open(os.getppid())
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
        # Not reaped yet, so the number cannot have passed to another process.
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(pid, number)

    def _start(self, frame: dict[str, Any], files: list[int]) -> None:
        try:
            pid = self._member(frame, files) if frame["member"] else self._leader(frame, files)
        except OSError as e:
            self._wire.send({"say": "failed", "id": frame["id"], "error": str(e)})
        else:
            is_first = bool(frame["rootfs"] and not frame["member"])
            if not is_first:
                self._alive.add(pid)
            if not frame["rootfs"]:
                self._groups.add(pid)
            self._wire.send({"say": "started", "id": frame["id"], "pid": pid, "is_first": is_first})
        for fd in files:
            os.close(fd)

    def _leader(self, frame: dict[str, Any], files: list[int]) -> int:
        """The first process of a container: the sandbox's own child where it has namespaces, as this process is."""
        if not frame["rootfs"]:
            if (pid := os.fork()) == 0:
                child.become(frame, files, parent=self._self)
            return pid
        pid = linux.fork(isolation.flags(Rootfs.of(frame["rootfs"])) | linux.CLONE_PARENT)
        if pid == 0:
            child.become(frame, files, parent=self._sandbox)
        return pid

    def _member(self, frame: dict[str, Any], files: list[int]) -> int:
        """A further process of the container whose first one is ``frame["member"]``.

        Only the children of a process that joined are members, so it forks once more, for us, and ends.
        """
        reading, writing = os.pipe()
        between = os.fork()
        if between == 0:
            with contextlib.suppress(OSError):
                isolation.join(frame["member"], Rootfs.of(frame["rootfs"]))
                pid = linux.fork(linux.CLONE_PARENT)
                if pid == 0:
                    child.become(frame, files, parent=None)
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


def main(arguments: list[str]) -> int:
    """Load the modules, then serve on the inherited socket."""
    end = socket.socket(fileno=int(arguments[0]))
    os.set_inheritable(end.fileno(), False)
    # Ctrl-C in the terminal of `python -m labkit.sandbox` is the sandbox's to handle.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    linux.adopt_orphans()
    with loading.sparingly():
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
