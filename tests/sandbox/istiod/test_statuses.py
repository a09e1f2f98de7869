"""Times of conditions."""

from labkit.sandbox.istiod import statuses

OLD, NOW = "2026-01-01T00:00:00Z", "2026-02-02T00:00:00Z"


def condition(kind: str, status: str, **fields: object) -> dict[str, object]:
    return {"type": kind, "status": status, "reason": "R", "message": "m", **fields}


def test_a_condition_keeps_its_time_while_it_says_the_same() -> None:
    before = {"conditions": [condition("Accepted", "True", lastTransitionTime=OLD)]}
    expected = {"conditions": [condition("Accepted", "True"), condition("Programmed", "True")]}
    state = statuses.timed(expected, before, NOW)
    assert [c["lastTransitionTime"] for c in state["conditions"]] == [OLD, NOW]


def test_a_condition_that_turns_has_a_new_time() -> None:
    before = {"conditions": [condition("Accepted", "False", lastTransitionTime=OLD)]}
    state = statuses.timed({"conditions": [condition("Accepted", "True")]}, before, NOW)
    assert state["conditions"][0]["lastTransitionTime"] == NOW


def test_conditions_of_listeners_are_found_by_name() -> None:
    def listeners(*names: str, **time: str) -> dict[str, object]:
        return {"listeners": [{"name": n, "conditions": [condition("Accepted", "True", **time)]} for n in names]}

    state = statuses.timed(listeners("b", "a"), listeners("a", lastTransitionTime=OLD), NOW)
    times = {entry["name"]: entry["conditions"][0]["lastTransitionTime"] for entry in state["listeners"]}
    assert times == {"a": OLD, "b": NOW}


def test_without_times_two_statuses_compare() -> None:
    timed = {"conditions": [condition("Accepted", "True", lastTransitionTime=OLD)]}
    assert statuses.timeless(timed) == {"conditions": [condition("Accepted", "True")]}


def test_what_a_status_says_no_more_is_taken_out() -> None:
    assert statuses.patch({"conditions": []}, {"addresses": [], "conditions": []}) == {
        "status": {"conditions": [], "addresses": None}
    }
