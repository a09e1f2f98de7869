"""From the command to Bookinfo answering through the gateway."""

from benchmarks import result
from benchmarks.private import PrivateLab

BAR = 4.0
"""Seconds."""

TIMES = 3


def measure(lab: PrivateLab) -> list[result.Result]:
    """Several starts from nothing, and one of a lab that was there before."""
    lab.up()  # the first start of a checkout compiles Python: not what a prepared machine is
    fresh = []
    for _ in range(TIMES):
        lab.fresh()
        fresh.append(lab.up())
    lab.lab("down", timeout=60.0)
    again = lab.up()
    return [
        result.median("./lab up, from nothing to 200 at the gateway", fresh, unit="s", at_most=BAR),
        result.Result(name="./lab up, again after ./lab down", value=again, unit="s"),
    ]
