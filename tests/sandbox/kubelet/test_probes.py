"""Rows of probe results and what they decide."""

import pytest

from labkit.sandbox.kubelet import probes

TIMING = probes.Timing(period=10, successes=1, failures=3)


def row(*results, timing=TIMING, begun=0.0):
    """The row after results given as (good, seconds)."""
    result = probes.Row(counted_at=begun)
    for good, now in results:
        result = result.add(good, now, timing)
    return result


def test_one_success_decides_at_once():
    assert row((False, 0.1), (True, 0.2)).verdict(TIMING) is True


def test_quick_failures_at_the_start_do_not_use_up_the_threshold():
    assert row(*((False, n / 10) for n in range(50))).verdict(TIMING) is None


def test_failures_a_period_apart_do():
    assert row((False, 10), (False, 20)).verdict(TIMING) is None
    assert row((False, 10), (False, 20), (False, 30)).verdict(TIMING) is False


def test_after_a_success_every_failure_counts_and_a_success_starts_over():
    assert row((True, 0), (False, 10), (False, 20), (False, 30)).verdict(TIMING) is False
    assert row((True, 0), (False, 10), (False, 20), (True, 30), (False, 40)).verdict(TIMING) is None


def test_several_successes_may_be_wanted():
    timing = probes.Timing(successes=2)
    assert row((True, 0), timing=timing).verdict(timing) is None
    assert row((True, 0), (True, 10), timing=timing).verdict(timing) is True


def test_waits_grow_to_the_period_and_stay_there_after_success():
    assert probes.Row().wait(TIMING) == pytest.approx(probes.FIRST_WAIT)
    waits = [row(*((False, 0) for _ in range(n))).wait(TIMING) for n in range(1, 80)]
    assert waits == sorted(waits)
    assert waits[-1] == row((True, 0)).wait(TIMING) == 10


def test_a_port_may_be_named():
    container = {"ports": [{"name": "http", "containerPort": 8080}]}
    assert [probes.port_number(p, container) for p in ("http", "9", 7, "x")] == [8080, 9, 7, 0]
