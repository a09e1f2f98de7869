"""The system calls that Python lacks: a fork into new namespaces, joining others, mounts and capabilities."""

import ctypes
import os
import platform
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_PARENT = 0x00008000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
MNT_DETACH = 2

_CLONE = {"x86_64": 56, "aarch64": 220, "arm64": 220}.get(platform.machine())
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "arm64": 41}.get(platform.machine())

_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522
_CAPABILITIES = 41
"""How many there are (the last is ``CAP_CHECKPOINT_RESTORE``); older kernels refuse to drop one they lack: no harm."""

# PyDLL keeps the interpreter's lock during the call: a fork must not come back without it.
_LIBC = ctypes.PyDLL(None, use_errno=True) if sys.platform == "linux" else None
"""Loaded before the first fork, so that children share it."""


def fork(flags: int = 0) -> int:
    """``os.fork`` with clone's flags, such as ``CLONE_NEWPID``: 0 in the child. OSError where the system refuses."""
    if flags == 0:
        return os.fork()
    if _LIBC is None or _CLONE is None:
        raise OSError("this system has no namespaces")
    python = ctypes.pythonapi
    python.PyOS_BeforeFork()
    # Without a stack of its own the child goes on here, on a copy of ours, as after fork (clone(2)).
    pid: int = _LIBC.syscall(ctypes.c_long(_CLONE), ctypes.c_long(flags | signal.SIGCHLD), *[ctypes.c_long(0)] * 4)
    code = ctypes.get_errno()
    if pid == 0:
        python.PyOS_AfterFork_Child()
        return 0
    python.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(code, os.strerror(code))
    return pid


def join(pid: int, kinds: Iterable[str]) -> None:
    """Enter a process's namespaces (``user``, ``mnt``, ``pid``, ``uts``); of ``pid``, only children are members."""
    files = [os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in kinds]
    for fd in files:
        _checked("setns", fd, 0)
        os.close(fd)


def mount(source: str, target: str, *, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2)."""
    data = options.encode() if options else None
    _checked("mount", source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data, what=target)


def pivot_root(folder: str) -> None:
    """Make a mounted folder the root of this process's mount namespace, and let go of the old one."""
    os.chdir(folder)
    # pivot_root(".", "."): the old root ends on top of the new one, and is taken off again (pivot_root(2), NOTES).
    _checked("syscall", ctypes.c_long(_PIVOT_ROOT or -1), b".", b".", what=folder)
    _checked("umount2", b".", MNT_DETACH, what="the old root")
    os.chdir("/")


def set_host_name(name: str) -> None:
    """sethostname(2), for this UTS namespace."""
    data = name.encode()
    _checked("sethostname", data, ctypes.c_size_t(len(data)))


def die_with_parent() -> None:
    """Ask for SIGKILL when the process that forked this one ends."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of grandchildren whose parent ends, so that none is lost sight of."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def gain_no_privileges() -> None:
    """No program started from here gets more rights than its starter, setuid or not."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def keep_capabilities(kept: Iterable[int]) -> None:
    """Give up all capabilities but these, for this process and for every program that it becomes."""
    kept = set(kept)
    for number in range(_CAPABILITIES):
        if number not in kept:
            _prctl(_PR_CAPBSET_DROP, number)
    mask = sum(1 << number for number in kept)
    words = [part for half in (mask & 0xFFFFFFFF, mask >> 32) for part in (half, half, 0)]
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _checked("capset", header, (ctypes.c_uint32 * 6)(*words))


def show_as(words: Iterable[str]) -> None:
    """Let ``ps`` show these words in the place of the command line, as far as they fit (proc(5), stat: arg_start)."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    begin, end = int(fields[45]), int(fields[46])
    if end > begin:
        text = b"\0".join(word.encode() for word in words)[: end - begin - 1]
        ctypes.memmove(begin, text.ljust(end - begin, b"\0"), end - begin)


def _prctl(option: int, value: int) -> None:
    if _LIBC:
        _LIBC.prctl(option, *(ctypes.c_ulong(v) for v in (value, 0, 0, 0)))


def _checked(name: str, *arguments: object, what: str = "") -> None:
    if _LIBC is None:
        raise OSError(f"this system has no {name}")
    if getattr(_LIBC, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}", what or None)
