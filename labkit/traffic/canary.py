"""Whether a canary goes on, waits or goes back: an error budget, decided by counting. Pure.

A rate alone decides nothing: one failure in ten requests is 10 %, and it is also what a version with 1 % of failures
shows once in ten tries. So the canary goes back when its failures are more than chance makes of the budget, goes on
when enough requests stayed within it, and waits in between.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from labkit.base import errors
from labkit.traffic import judge

Action = Literal["advance", "hold", "roll back"]

FALSE_ALARM = 1e-3
"""How often a version that keeps its budget may be rolled back by chance, at one look."""

PATIENCE = 4
"""How many times ``enough`` requests a version may stay over its budget before doubt counts against it."""


class PlanError(errors.LabError):
    """Steps or a budget that no canary can follow."""

    def __init__(self, what: str, *, next_step: str) -> None:
        super().__init__(f"{what}\nNext: {next_step}")


@dataclass(frozen=True, kw_only=True)
class Count:
    """Requests that reached one version."""

    sent: int = 0
    failed: int = 0

    @property
    def rate(self) -> float:
        """The failed part, 0 to 1."""
        return self.failed / self.sent if self.sent else 0.0

    def __add__(self, other: "Count") -> "Count":
        return Count(sent=self.sent + other.sent, failed=self.failed + other.failed)

    def __sub__(self, other: "Count") -> "Count":
        return Count(sent=self.sent - other.sent, failed=self.failed - other.failed)


Window = Mapping[str, Count]
"""Counts by version over some time: ``{"v1": Count(sent=90), "v3": Count(sent=10, failed=1)}``."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a new version takes over."""

    stable: str
    """The version that serves now."""

    new: str
    """The version that shall."""

    steps: tuple[int, ...] = (10, 25, 50, 100)
    """The new version's weight at each step, in percent."""

    error_budget: float = 0.01
    """The part of the new version's requests that may fail, 0 to 1."""

    enough: int = 100
    """Requests of the new version that a step needs before the next one."""

    def __post_init__(self) -> None:
        if self.stable == self.new:
            raise PlanError(f"{self.new} cannot replace itself.", next_step="name two versions: stable, new")
        rising = list(self.steps) == sorted(set(self.steps))
        if not self.steps or not rising or not 0 < self.steps[0] <= self.steps[-1] <= 100:
            raise PlanError(
                f"steps={list(self.steps)} do not rise from above 0 to at most 100.", next_step="try (10, 25, 50, 100)"
            )
        if not 0 <= self.error_budget < 1:
            raise PlanError(
                f"error_budget={self.error_budget:g} is not a part between 0 and 1.", next_step="0.01 means 1 %"
            )
        if self.enough < 1:
            raise PlanError(f"enough={self.enough} requests decide nothing.", next_step="try 100")

    def weights(self, step: int) -> dict[str, int]:
        """What is asked for at a step; before the first one (-1) all is the stable version's."""
        share = self.steps[step] if step >= 0 else 0
        return {self.stable: 100 - share, self.new: share}


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What to do now, and why."""

    action: Action
    reasons: tuple[str, ...]

    def __repr__(self) -> str:
        return f"{self.action}: {'; '.join(self.reasons)}"


def decide(plan: Plan, windows: Sequence[Window]) -> Decision:
    """Go on, wait or go back, given what was counted since the step began."""
    seen = total(windows)
    new, stable = seen.get(plan.new, Count()), seen.get(plan.stable, Count())
    told = f"{new.failed} of {new.sent} requests to {plan.new} failed ({new.rate:.1%}; budget {plan.error_budget:.1%})"
    if not new.sent:
        return Decision(action="hold", reasons=(f"no request has reached {plan.new} yet",))
    if new.rate > plan.error_budget:
        return _over_budget(plan, new, stable, told)
    if new.sent < plan.enough:
        return Decision(action="hold", reasons=(told, f"{plan.enough} requests are needed"))
    return Decision(action="advance", reasons=(told,))


def _over_budget(plan: Plan, new: Count, stable: Count, told: str) -> Decision:
    # Where the stable version fails as well, going back would help nobody: something behind both is broken.
    expected = max(plan.error_budget, stable.rate)
    if at_least(new.failed, new.sent, expected) < FALSE_ALARM:
        return Decision(action="roll back", reasons=(told, "more than chance makes of the budget"))
    if stable.rate > plan.error_budget:
        beside = f"{plan.stable} fails as well: {stable.failed} of {stable.sent} ({stable.rate:.1%})"
        return Decision(action="hold", reasons=(told, beside))
    if new.sent >= PATIENCE * plan.enough:
        return Decision(action="roll back", reasons=(told, f"still over the budget after {new.sent} requests"))
    return Decision(action="hold", reasons=(told, "it may be chance: a few more requests tell"))


def total(windows: Iterable[Window]) -> dict[str, Count]:
    """All windows together."""
    whole: dict[str, Count] = {}
    for window in windows:
        for version, count in window.items():
            whole[version] = whole.get(version, Count()) + count
    return whole


def since(now: Window, before: Window) -> dict[str, Count]:
    """What counters that only grow have counted since ``before``; one that began anew (a new pod) counts whole."""
    counts = {}
    for version, count in now.items():
        old = before.get(version, Count())
        counts[version] = count - old if count.sent >= old.sent and count.failed >= old.failed else count
    return counts


def at_least(failed: int, sent: int, rate: float) -> float:
    """The probability of ``failed`` failures or more in ``sent`` requests that each fail with ``rate``."""
    if failed <= 0:
        return 1.0
    fewer = sum(judge.probability(sent, rate, count) for count in range(failed))
    return max(0.0, 1.0 - fewer)
