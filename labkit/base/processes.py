"""Processes of this machine: who is whose child, what they weigh, and how one of ours is ended."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")

KILL_TIMEOUT = 5.0
"""Seconds after SIGKILL; a process that the disk holds up takes some of them."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """One process for as long as it lives: the system gives its number to another one afterwards."""

    pid: int

    born: str
    """When it began, in the system's own words, which change when the machine starts again; empty for none."""

    def is_alive(self) -> bool:
        """Whether this very process still runs."""
        return bool(self.born) and is_alive(self.pid) and identity(self.pid) == self


def identity(pid: int) -> Identity:
    """Who holds a number now."""
    if not _PROC.is_dir():
        listed = subprocess.run(
            ["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        return Identity(pid=pid, born=listed.stdout.strip())
    try:
        ticks = _stat(pid)[19]
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except (OSError, IndexError):
        return Identity(pid=pid, born="")
    return Identity(pid=pid, born=f"{boot}:{ticks}")


def _stat(pid: int | str) -> list[str]:
    """Fields 3 and following of ``/proc/PID/stat``; the second, a name in brackets, may hold spaces and brackets."""
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def running(words: Sequence[str]) -> list[Identity]:
    """Every process of this user with these words, side by side, on its command line."""
    return [identity(pid) for pid, line in _command_lines() if pid != os.getpid() and _holds(line, list(words))]


def _holds(line: list[str], words: list[str]) -> bool:
    return any(line[start : start + len(words)] == words for start in range(len(line) - len(words) + 1))


def _command_lines() -> Iterable[tuple[int, list[str]]]:
    if not _PROC.is_dir():
        asked = ["/bin/ps", "-xo", "pid=,command="]
        listed = subprocess.run(asked, capture_output=True, text=True, check=False)
        yield from ((int(line.split()[0]), line.split()[1:]) for line in listed.stdout.splitlines())
        return
    for entry in os.listdir(_PROC):  # noqa: PTH208 (a Path for each process costs more than the answer)
        if entry.isdigit():
            with contextlib.suppress(OSError):
                if (_PROC / entry).stat().st_uid == os.geteuid():
                    yield int(entry), os.fsdecode((_PROC / entry / "cmdline").read_bytes()).split("\0")


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
    pairs = []
    for entry in os.listdir(_PROC):  # noqa: PTH208 (a Path for each process costs more than the answer)
        if entry.isdigit():
            with contextlib.suppress(OSError, IndexError):
                pairs.append((int(entry), int(_stat(entry)[1])))
    return pairs


def children(pid: int) -> list[int]:
    """All descendants, parents before their children."""
    return descendants(pid, parents())


def descendants(pid: int, parents: dict[int, int]) -> list[int]:
    """``descendants(1, {2: 1, 3: 2, 9: 8})`` is ``[2, 3]``."""
    family = [pid]
    for member in family:
        family.extend(child for child, parent in sorted(parents.items()) if parent == member)
    return family[1:]


def is_alive(pid: int) -> bool:
    """Whether it runs; a zombie, which only waits for its parent, does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return _stat(pid)[0] not in "ZX"
    except (OSError, IndexError):
        return sys.platform != "linux"


def end(one: Identity, *, grace: float) -> None:
    """SIGTERM, ``grace`` seconds at most, SIGKILL; when this returns, its descendants are gone too."""
    family = [one, *map(identity, children(one.pid))] if one.is_alive() else []
    _signal(family[:1], signal.SIGTERM)
    _signal(family[:1], signal.SIGCONT)  # one that was stopped hears the first signal only now
    if not _until_gone(family[:1], grace):
        family += map(identity, children(one.pid))
        _signal(family[:1], signal.SIGKILL)
    # Whoever lost its parent is about to end by itself; one that does not has lost its right to.
    if not _until_gone(family, 1):
        _signal(family, signal.SIGKILL)
        _until_gone(family, KILL_TIMEOUT)


def _signal(group: Iterable[Identity], number: signal.Signals) -> None:
    for one in group:
        with contextlib.suppress(ProcessLookupError):
            if one.is_alive():
                os.kill(one.pid, number)


def _until_gone(group: Iterable[Identity], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(one.is_alive() for one in group):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
