"""Does a measured split agree with the weights that were asked for? Exact, and judged once.

A verdict that asks again "until the dice fall right" proves nothing. So the band is wide enough that a
right configuration fails less than once in 10,000 times, and the sample is large enough that a wrong one
does not fit into it: 600 to 1,000 requests tell 10 % from 20 %.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

FALSE_ALARM = 1e-4
"""How often a right configuration may be called wrong."""


def shares(counts: Mapping[str, float]) -> dict[str, float]:
    """Each count's part of the whole: ``{"v1": 9, "v2": 1}`` gives ``{"v1": 0.9, "v2": 0.1}``."""
    whole = sum(counts.values())
    return {name: count / whole if whole else 0.0 for name, count in counts.items()}


def band(n: int, share: float, *, false_alarm: float = FALSE_ALARM) -> tuple[int, int]:
    """Lowest and highest count that agree with ``share`` in ``n`` draws: ``band(100, 0.5)`` is ``(31, 69)``.

    The smallest band around ``n * share``, as wide to both sides, that a binomial count leaves with a
    probability under ``false_alarm``.
    """
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"a share lies between 0 and 1, not {share:g}")
    centre, inside = n * share, 0.0
    low = math.ceil(centre)
    high = low - 1
    for distance in range(n + 1):
        wider = max(0, math.ceil(centre - distance)), min(n, math.floor(centre + distance))
        inside += sum(probability(n, share, count) for count in range(wider[0], low))
        inside += sum(probability(n, share, count) for count in range(high + 1, wider[1] + 1))
        low, high = wider
        if 1.0 - inside < false_alarm:
            return low, high
    return 0, n


def probability(n: int, share: float, count: int) -> float:
    """Of exactly ``count`` hits in ``n`` draws with a chance of ``share`` each."""
    if share in (0.0, 1.0):
        return float(count == n * share)
    log_ways = math.lgamma(n + 1) - math.lgamma(count + 1) - math.lgamma(n - count + 1)
    return math.exp(log_ways + count * math.log(share) + (n - count) * math.log1p(-share))


@dataclass(frozen=True, kw_only=True)
class Part:
    """One version's part of a split."""

    name: str
    asked: float
    """Its share, 0 to 1."""

    count: int
    """Its responses."""

    low: int
    """The lowest count that agrees with the share."""

    high: int
    """The highest one."""

    @property
    def agrees(self) -> bool:
        """Whether the count is in the band."""
        return self.low <= self.count <= self.high


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A measured split beside the one that was asked for."""

    parts: tuple[Part, ...]

    @property
    def agrees(self) -> bool:
        """Whether every version's count is in its band."""
        return all(part.agrees for part in self.parts)

    def __repr__(self) -> str:
        n = sum(part.count for part in self.parts)
        lines = [
            f"{part.name}: {part.count} of {n}, {'within' if part.agrees else 'outside'} {part.low}–{part.high}"
            for part in self.parts
        ]
        return "\n".join([*lines, "agrees" if self.agrees else "does not agree"])


def split(counts: Mapping[str, int], asked: Mapping[str, float], *, false_alarm: float = FALSE_ALARM) -> Judgement:
    """Counts by version beside weights by version; the weights need not sum to 100, as with Istio.

    With several versions each gets its part of ``false_alarm``, so that it holds for all of them together.
    """
    expected, n = shares(asked), sum(counts.values())
    names = sorted(counts.keys() | asked.keys())
    # The last of two parts follows from the first, so two versions are one question.
    questions = max(1, len(names) - 1)
    parts = []
    for name in names:
        low, high = band(n, expected.get(name, 0.0), false_alarm=false_alarm / questions)
        parts.append(Part(name=name, asked=expected.get(name, 0.0), count=counts.get(name, 0), low=low, high=high))
    return Judgement(parts=tuple(parts))
