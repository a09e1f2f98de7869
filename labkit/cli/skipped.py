"""Which tests a run skipped and why, from pytest's own report, so that no skip goes unseen."""

import collections
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from pathlib import Path


def skips(report: Path) -> Iterator[tuple[str, str]]:
    """(test, reason) of every skipped test of a JUnit report; a test's name without its parameters."""
    if not report.exists():
        return  # The stage ended before any test.
    for case in ET.parse(report).getroot().iter("testcase"):
        for skipped in case.iter("skipped"):
            name = f"{case.get('classname')}.{case.get('name')}".partition("[")[0]
            yield name, skipped.get("message", "no reason given")


def summary(every: Iterable[tuple[str, str]]) -> str:
    """How many tests were skipped, then one line a test with its count and reason."""
    counts = collections.Counter(every)
    lines = [f"    {name}{f' ({count} cases)' if count > 1 else ''}: {why}" for (name, why), count in counts.items()]
    return "\n".join([f"  {counts.total() or 'no'} test{'s' * (counts.total() != 1)} skipped", *lines])
