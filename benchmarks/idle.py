"""What the sandbox takes while nobody asks for anything."""

import os
import time
from pathlib import Path

from benchmarks import result
from benchmarks.private import PrivateLab

MEMORY_BAR = 360.0
"""MB of PSS."""

CPU_BAR = 2.0
"""Percent of one core."""

SETTLE = 5.0
"""Seconds between the end of ``up`` and the measurement."""

WATCH = 20.0
"""Seconds over which CPU time is counted: slow timers of the proxies fall into it."""

MEGABYTE = 1_000_000


def measure(lab: PrivateLab) -> list[result.Result]:
    """Memory and CPU of all processes that ``./lab status`` lists."""
    time.sleep(SETTLE)
    processes = lab.status()["processes"]
    pids = [process["pid"] for process in processes]
    before, began = cpu_seconds(pids), time.monotonic()
    time.sleep(WATCH)
    spent, took = cpu_seconds(pids) - before, time.monotonic() - began
    memory = sum(process["pss_bytes"] for process in processes)
    heaviest = sorted(processes, key=lambda process: -process["pss_bytes"])[:3]
    note = ", ".join(f"{p['name'].rpartition('/')[2]} {p['pss_bytes'] / MEGABYTE:.0f}" for p in heaviest)
    return [
        result.Result(
            name="memory, idle with Bookinfo",
            value=memory / MEGABYTE,
            unit="MB PSS",
            at_most=MEMORY_BAR,
            note=f"{len(pids)} processes; {note}",
        ),
        result.Result(
            name="CPU, idle with Bookinfo",
            value=100 * spent / took,
            unit="% of one core",
            at_most=CPU_BAR,
            note=f"over {WATCH:.0f} s",
        ),
    ]


def cpu_seconds(pids: list[int]) -> float:
    """CPU time of these processes so far; one that ended meanwhile counts nothing."""
    ticks = 0
    for pid in pids:
        try:
            # The second field, a name in brackets, may hold spaces and brackets itself.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
