"""How many pods may go."""

import pytest

from labkit.sandbox.controllers.budgets import budget_status


def pods(ready, unready=0):
    def pod(*, ready):
        return {"metadata": {}, "status": {"conditions": [{"type": "Ready", "status": str(ready)}]}}

    return [pod(ready=True)] * ready + [pod(ready=False)] * unready


@pytest.mark.parametrize(
    ("spec", "listed", "asked", "allowed"),
    [
        ({"minAvailable": 1}, pods(1), 1, 0),
        ({"minAvailable": 1}, pods(3), 3, 2),
        ({"minAvailable": "50%"}, pods(3), 3, 1),
        ({"maxUnavailable": 1}, pods(3), 3, 1),
        ({"maxUnavailable": 1}, pods(2, unready=1), 3, 0),
        ({"maxUnavailable": 1}, pods(2), 0, 0),
    ],
    ids=["the last one stays", "all but one", "half", "one at a time", "one is away already", "pods of nobody"],
)
def test_a_budget_allows(spec, listed, asked, allowed):
    budget = {"metadata": {"generation": 1}, "spec": spec}
    status = budget_status(budget, listed, asked, now="2026-01-01T00:00:00Z")
    reason = "SufficientPods" if allowed else "InsufficientPods"
    assert (status["disruptionsAllowed"], status["conditions"][0]["reason"]) == (allowed, reason)
