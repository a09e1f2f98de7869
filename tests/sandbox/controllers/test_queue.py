"""When a key that failed is tried again."""

from labkit.sandbox.controllers import queue


def test_the_pause_doubles_up_to_its_longest():
    assert [queue.pause(n) for n in (0, 1, 2)] == [0.005, 0.01, 0.02]
    assert queue.pause(20) == queue.LONGEST_RETRY


def test_thousands_of_failures_are_as_any_other():
    assert queue.pause(100_000) == queue.LONGEST_RETRY
