"""From the command to Bookinfo answering through the gateway."""

import resource

from benchmarks import idle, result
from benchmarks.private import PrivateLab

BAR = 4.0
"""Seconds."""

TIMES = 3


def measure(lab: PrivateLab) -> list[result.Result]:
    """Several starts from nothing, and one of a lab that was there before.

    Seconds lean on what else the machine does; the processor time of all processes together hardly does.
    """
    lab.up()  # the first start of a checkout compiles Python: not what a prepared machine is
    fresh, spent = [], []
    for _ in range(TIMES):
        lab.fresh()
        before = _ended_commands()
        fresh.append(lab.up())
        commands = _ended_commands() - before
        spent.append(commands + idle.cpu_seconds([process["pid"] for process in lab.status()["processes"]]))
    lab.lab("down", timeout=60.0)
    again = lab.up()
    return [
        result.median("./lab up, from nothing to 200 at the gateway", fresh, unit="s", at_most=BAR),
        result.median("processor time of such a start", spent, unit="s"),
        result.Result(name="./lab up, again after ./lab down", value=again, unit="s"),
    ]


def _ended_commands() -> float:
    """Processor time of the commands that ended so far, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
