"""A number is read until it stays."""

from labkit.telemetry import quiet


def test_it_is_read_until_two_readings_agree():
    readings = iter([0, 3, 5, 5, 9])
    assert quiet.at_rest(lambda: next(readings), pause=0) == 5


def test_what_never_rests_is_told_as_it_is():
    readings = iter(range(100))
    assert quiet.at_rest(lambda: next(readings), pause=0) == quiet.READINGS - 1
