"""Restarts wait as the kubelet's do."""

import pytest

from labkit.sandbox.kubelet import backoff


def test_the_first_restart_is_immediate_then_ten_seconds_double_to_five_minutes():
    state, waits = backoff.Backoff(), []
    for _ in range(8):
        waits.append(state.wait(1))
        state = state.after(1)
    assert waits == [0, 10, 20, 40, 80, 160, 300, 300]


def test_a_long_life_is_forgiven():
    assert backoff.Backoff(delay=300).wait(601) == 0
    assert backoff.Backoff(delay=300).after(601).delay == backoff.FIRST


@pytest.mark.parametrize(("seconds", "text"), [(10, "10s"), (80, "1m20s"), (300, "5m0s")])
def test_durations_read_as_in_go(seconds, text):
    assert backoff.go_duration(seconds) == text
