"""A canary goes on, waits or goes back, and says why."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.traffic import canary

PLAN = canary.Plan(stable="v1", new="v3")


def decided(new, stable=(1000, 0), plan=PLAN):
    window = {"v1": canary.Count(sent=stable[0], failed=stable[1]), "v3": canary.Count(sent=new[0], failed=new[1])}
    return canary.decide(plan, [window])


@pytest.mark.parametrize(
    ("new", "stable", "action", "because"),
    [
        pytest.param((0, 0), (0, 0), "hold", "no request has reached v3 yet", id="nothing yet"),
        pytest.param((40, 0), (400, 0), "hold", "100 requests are needed", id="good but few"),
        pytest.param((100, 0), (900, 0), "advance", "0 of 100 requests to v3 failed", id="good and enough"),
        pytest.param((100, 1), (900, 0), "advance", "budget 1.0%", id="just within the budget"),
        pytest.param((10, 1), (90, 0), "hold", "it may be chance", id="one of ten may be chance"),
        pytest.param((10, 3), (90, 0), "roll back", "more than chance", id="three of ten are not"),
        pytest.param((5, 5), (45, 0), "roll back", "more than chance", id="all of them"),
        pytest.param((120, 2), (900, 0), "hold", "it may be chance", id="a little over"),
        pytest.param((400, 6), (900, 0), "roll back", "still over the budget after 400", id="a little over for long"),
        pytest.param((100, 50), (900, 450), "hold", "v1 fails as well: 450 of 900 (50.0%)", id="both fail"),
        pytest.param((100, 90), (900, 90), "roll back", "more than chance", id="both fail, the new one far more"),
    ],
)
def test_decisions(new, stable, action, because):
    decision = decided(new, stable)
    assert decision.action == action and because in repr(decision)


def test_a_decision_reads_as_a_sentence():
    assert repr(decided((100, 0))) == "advance: 0 of 100 requests to v3 failed (0.0%; budget 1.0%)"


def test_windows_add_up():
    halves = [{"v3": canary.Count(sent=50)}, {"v3": canary.Count(sent=50), "v1": canary.Count(sent=9)}]
    assert canary.decide(PLAN, halves).action == "advance"


def test_no_budget_means_no_failure():
    strict = canary.Plan(stable="v1", new="v3", error_budget=0.0)
    assert decided((1000, 1), plan=strict).action == "roll back"
    assert decided((1000, 0), plan=strict).action == "advance"


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
def test_whatever_was_counted_gives_a_decision_with_a_reason(sent, failed, stable_sent, stable_failed):
    decision = decided((sent, min(sent, failed)), (stable_sent, min(stable_sent, stable_failed)))
    assert decision.reasons and all(decision.reasons)


@given(st.integers(1, 200), st.floats(0.001, 0.2))
def test_a_version_that_keeps_its_budget_goes_back_by_chance_once_in_a_thousand_looks(sent, rate):
    bad = [k for k in range(sent + 1) if canary.at_least(k, sent, rate) < canary.FALSE_ALARM]
    chance = math.fsum(math.comb(sent, k) * rate**k * (1 - rate) ** (sent - k) for k in bad)
    assert chance < canary.FALSE_ALARM


def test_weights_of_a_step():
    assert [PLAN.weights(step) for step in (-1, 0, 3)] == [
        {"v1": 100, "v3": 0},
        {"v1": 90, "v3": 10},
        {"v1": 0, "v3": 100},
    ]


def test_counters_are_compared_with_an_earlier_look():
    now = {"v1": canary.Count(sent=90, failed=2), "v3": canary.Count(sent=4)}
    before = {"v1": canary.Count(sent=80, failed=1), "v3": canary.Count(sent=50)}
    assert canary.since(now, before) == {"v1": canary.Count(sent=10, failed=1), "v3": canary.Count(sent=4)}


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        pytest.param({"new": "v1"}, "cannot replace itself", id="itself"),
        pytest.param({"steps": ()}, "do not rise", id="no steps"),
        pytest.param({"steps": (50, 10)}, "do not rise", id="falling"),
        pytest.param({"steps": (0, 100)}, "do not rise", id="zero"),
        pytest.param({"steps": (10, 110)}, "do not rise", id="over 100"),
        pytest.param({"error_budget": 1.0}, "0.01 means 1 %", id="all may fail"),
        pytest.param({"enough": 0}, "decide nothing", id="nothing is enough"),
    ],
)
def test_plans_that_cannot_be_followed_are_refused(wrong, text):
    with pytest.raises(canary.PlanError, match=text):
        canary.Plan(**{"stable": "v1", "new": "v3", **wrong})
