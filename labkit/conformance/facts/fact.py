"""A fact: a sentence, what it asks for, and how it is measured; and what came of measuring it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from labkit.conformance.facts.ground import Ground
from labkit.traffic import judge

Verdict = Literal["true", "false", "skipped"]

EARLY = 0.02
"""Seconds that a timer may seem early: Envoy's count whole milliseconds, from when its loop last woke."""


class Checks:
    """What was observed, one remark at a time; the fact is true when all of them hold."""

    def __init__(self) -> None:
        self._remarks: list[tuple[str, bool]] = []

    def __repr__(self) -> str:
        return "; ".join(text if holds else f"NOT {text}" for text, holds in self._remarks)

    @property
    def hold(self) -> bool:
        """Whether there are any, and all of them hold."""
        return bool(self._remarks) and all(holds for _, holds in self._remarks)

    def see(self, text: str, holds: bool) -> None:
        """One remark; ``text`` is what was observed."""
        self._remarks.append((text, holds))

    def say_how(self, ground: Ground) -> None:
        """On a sandbox, how connections that are not HTTP came to the sidecar: it must not look like capture."""
        if "traffic-capture" not in ground.cluster.capabilities:
            self.see("by a tunnel that the client asked for, since nothing is captured here", True)

    def equal(self, what: str, seen: object, asked: object) -> None:
        """``what found``; where it is something else, also what was asked."""
        self.see(f"{what} {seen}" if seen == asked else f"{what} {seen}, asked {asked}", seen == asked)

    def between(self, what: str, seconds: float, low: float, high: float) -> None:
        """A time. The bands lie between two timers of the scene, so a slow machine does not leave them."""
        self.see(f"{what} {seconds:.2f} s (within {low:g}–{high:g})", low - EARLY <= seconds < high)

    def split(self, counts: Mapping[str, int], asked: Mapping[str, float]) -> None:
        """Counts by version beside weights, by the exact binomial band; judged once."""
        judged = judge.split(counts, asked)
        for part in judged.parts:
            self.see(f"{part.name} {part.count} ({part.low}–{part.high})", part.agrees)


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One promise."""

    number: int
    sentence: str
    asked: str
    """What is expected, in few words."""

    measure: Callable[[Ground, Checks], None]
    """Brings the cluster to the scene, measures, remarks."""

    needs: str = ""
    """A capability (``clusters.cluster``) that a cluster may lack; then the fact is skipped, and says so."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A fact, measured."""

    fact: Fact
    verdict: Verdict
    observed: str
    seconds: float
    """What measuring took."""
