"""Memory limits: the kernel's control groups need rights that the sandbox lacks, so the kubelet looks and kills."""

import os
from pathlib import Path

from labkit.kube.resources import Object
from labkit.sandbox.kubelet import sources

LOOK_EVERY = 0.5
"""Seconds between two looks at a container with a limit."""

KILLED = "OOMKilled"
"""The reason of a container that ended so."""

_PAGE = os.sysconf("SC_PAGE_SIZE")


def limit(container: Object) -> int | None:
    """Bytes that the container may hold; None for any number."""
    value = ((container.get("resources") or {}).get("limits") or {}).get("memory")
    return int(sources.quantity(value)) if value else None


def exceeds(first: int, most: int) -> bool:
    """Whether the container of this first process holds more than ``most`` bytes."""
    processes = family(first)
    # Cheap, but it counts what a fork shares with the launcher; only above the limit is it worth a closer look.
    return sum(map(_anonymous, processes)) > most and sum(map(_private, processes)) > most


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    processes = [pid]
    for each in processes:
        try:
            processes += [int(child) for child in Path(f"/proc/{each}/task/{each}/children").read_text().split()]
        except OSError:
            continue
    return processes


def _anonymous(pid: int) -> int:
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * _PAGE


def _private(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))
