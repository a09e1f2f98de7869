"""Processes of this machine: who is whose child, what they weigh, and how one of ours is ended."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_PROC = Path("/proc")


def pss(pid: int) -> int | None:
    """Bytes of memory, each shared page divided among its users; None where the system cannot say (macOS)."""
    try:
        text = (_PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return None


def parents() -> dict[int, int]:
    """Every visible process with its parent."""
    if _PROC.is_dir():
        return dict(_stat_of_all())
    listed = subprocess.run(["/bin/ps", "-axo", "pid=,ppid="], capture_output=True, text=True, check=False)
    pairs = (line.split() for line in listed.stdout.splitlines())
    return {int(pid): int(parent) for pid, parent in pairs}


def _stat_of_all() -> list[tuple[int, int]]:
    found = []
    for entry in os.listdir(_PROC):  # noqa: PTH208 (a Path for each process costs more than the answer)
        if entry.isdigit():
            with contextlib.suppress(OSError, IndexError):
                # The second field, a name in brackets, may hold spaces and brackets itself.
                rest = (_PROC / entry / "stat").read_text().rpartition(")")[2].split()
                found.append((int(entry), int(rest[1])))
    return found


def children(pid: int) -> list[int]:
    """All descendants, parents before their children."""
    return descendants(pid, parents())


def descendants(pid: int, parents: dict[int, int]) -> list[int]:
    """``descendants(1, {2: 1, 3: 2, 9: 8})`` is ``[2, 3]``."""
    found = [pid]
    for known in found:
        found.extend(child for child, parent in sorted(parents.items()) if parent == known)
    return found[1:]


def is_alive(pid: int) -> bool:
    """Whether it runs; a zombie, which only waits for its parent, does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return sys.platform != "linux"


def terminate(pid: int, *, grace: float) -> None:
    """SIGTERM, wait at most ``grace`` seconds, SIGKILL, and wait until it is gone."""
    _signal(pid, signal.SIGTERM)
    if not _until_gone(pid, time.monotonic() + grace):
        _signal(pid, signal.SIGKILL)
        _until_gone(pid, time.monotonic() + 5)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _until_gone(pid: int, deadline: float) -> bool:
    while is_alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
