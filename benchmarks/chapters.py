"""``lab.goto`` of every chapter there is."""

import json

from benchmarks import result
from benchmarks.private import PrivateLab
from labkit.base import settings

BAR = 10.0
"""Seconds."""

LONGEST = 300.0
"""Seconds for all chapters together."""

CODE = """
import json, time
from labkit import Lab
lab, times = Lab.connect(), {{}}
for chapter in {chapters!r}:
    began = time.monotonic()
    lab.goto(chapter)
    times[chapter] = time.monotonic() - began
print(json.dumps(times))
"""


def measure(lab: PrivateLab) -> list[result.Result]:
    """The slowest chapter, going backwards: each then has to take away what the one before had."""
    names = sorted((path.name[:2] for path in settings.CHECKOUT.glob("notebooks/[0-9][0-9]-*.ipynb")), reverse=True)
    if not names:
        return [result.failed("goto, the slowest chapter", "there are no notebooks", at_most=BAR)]
    out = lab.python("-c", CODE.format(chapters=names), timeout=LONGEST)
    times: dict[str, float] = json.loads(out.strip().splitlines()[-1])
    slowest = max(times, key=lambda name: times[name])
    return [
        result.Result(
            name="goto, the slowest chapter",
            value=times[slowest],
            unit="s",
            at_most=BAR,
            note=f"{slowest}; all: {', '.join(f'{name} {took:.1f}' for name, took in sorted(times.items()))}",
        )
    ]
