"""``./lab demo``: the traffic split in the terminal, asked share beside measured share."""

import argparse
from typing import TYPE_CHECKING

from labkit.base import choice, settings
from labkit.cli import progress

if TYPE_CHECKING:
    from labkit.lab import Lab

SPLITS = ((100, 0), (90, 10), (50, 50))
"""Weights of reviews v1 and v2, in the order in which a canary grows."""


def options(parser: argparse.ArgumentParser) -> None:
    """The options of ``demo``."""
    parser.add_argument("--count", type=int, default=400, help="requests for each split (400)")


def run(arguments: argparse.Namespace) -> int:
    """Bring up what is missing, shift the weights, measure each time."""
    from labkit.traffic import judge

    steps = progress.Progress()
    with steps.step("A lab at the beginning of lesson 07"):
        lab = _ready(settings.Paths())
    print(f"\n  {'asked':>12}   {'measured, of ' + str(arguments.count):<24}{'band':<14}")
    good = True
    for old, new in SPLITS:
        lab.apply(weights(old, new))
        frame = lab.send("/api/v1/products/0/reviews", count=arguments.count)
        seen = int((frame["version"] == "v2").sum())
        low, high = judge.band(arguments.count, new / 100)
        inside = low <= seen <= high
        good = good and inside
        measured = 100 * seen / len(frame)
        verdict = "inside" if inside else "OUTSIDE"
        print(f"  {old:>5} / {new:<4}   v1 {100 - measured:5.1f} % v2 {measured:5.1f} %  {verdict} {low}–{high}")
    print("\n  Each row: kubectl apply of one VirtualService, then requests through the gateway and real Envoy.")
    print("  Next: ./lab up opens the notebooks; 07 is this lesson.")
    return 0 if good else 1


def _ready(paths: settings.Paths) -> "Lab":
    from labkit.lab import Lab

    lab = Lab.connect()
    if not lab.can("owned"):
        print(f"  on {choice.current(paths)}")
    lab.goto("07")
    return lab


def weights(old: int, new: int) -> dict[str, object]:
    """A VirtualService that divides reviews between v1 and v2."""

    def to(subset: str, weight: int) -> dict[str, object]:
        return {"destination": {"host": "reviews", "subset": subset}, "weight": weight}

    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "reviews"},
        "spec": {"hosts": ["reviews"], "http": [{"route": [to("v1", old), to("v2", new)]}]},
    }
