"""Bands of splits: exact, and as wide as the facts of the course say."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.traffic import judge


@pytest.mark.parametrize(
    ("n", "share", "band"),
    [
        (100, 0.5, (31, 69)),
        (100, 0.2, (4, 36)),
        (100, 0.1, (0, 23)),
        (400, 0.5, (161, 239)),
        (400, 0.2, (49, 111)),
        (400, 0.1, (16, 64)),
        (600, 0.5, (252, 348)),
        (600, 0.2, (82, 158)),
        (600, 0.1, (31, 89)),
        (1000, 0.5, (439, 561)),
        (1000, 0.2, (151, 249)),
        (1000, 0.1, (63, 137)),
        (10, 0.0, (0, 0)),
        (10, 1.0, (10, 10)),
        (0, 0.3, (0, 0)),
    ],
)
def test_bands(n, share, band):
    assert judge.band(n, share) == band


@given(st.integers(1, 120), st.floats(0.01, 0.99))
def test_a_right_configuration_is_called_wrong_less_than_once_in_ten_thousand(n, share):
    low, high = judge.band(n, share)
    ways = (math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(n + 1) if not low <= k <= high)
    # Two requests of which one in a hundred goes elsewhere: both do once in ten thousand, but for rounding.
    assert math.fsum(ways) <= judge.FALSE_ALARM * (1 + 1e-9)


def test_a_share_that_is_none_is_refused():
    with pytest.raises(ValueError, match="between 0 and 1"):
        judge.band(10, 90)


def test_shares_are_parts_of_the_whole():
    assert judge.shares({"v1": 9, "v2": 1}) == {"v1": 0.9, "v2": 0.1}
    assert judge.shares({"v1": 0}) == {"v1": 0.0}


@pytest.mark.parametrize(
    ("counts", "asked", "agrees"),
    [
        pytest.param({"v1": 890, "v2": 110}, {"v1": 90, "v2": 10}, True, id="a good 90/10"),
        pytest.param({"v1": 800, "v2": 200}, {"v1": 90, "v2": 10}, False, id="20 % for 10 %"),
        pytest.param({"v1": 500, "v3": 500}, {"v1": 1, "v3": 1}, True, id="weights that sum to 2"),
        pytest.param({"v1": 899, "v2": 100, "v3": 1}, {"v1": 90, "v2": 10}, False, id="one that nobody asked for"),
        pytest.param({"v1": 1000}, {"v1": 90, "v2": 10}, False, id="one that never came"),
        pytest.param({"v1": 1000}, {"v1": 100, "v2": 0}, True, id="all to one"),
        pytest.param({"v1": 200, "v2": 200, "v3": 200}, {"v1": 1, "v2": 1, "v3": 1}, True, id="thirds"),
    ],
)
def test_splits(counts, asked, agrees):
    assert judge.split(counts, asked).agrees is agrees


def test_a_judgement_reads_as_sentences():
    assert repr(judge.split({"v1": 890, "v2": 110}, {"v1": 90, "v2": 10})) == (
        "v1: 890 of 1000, within 863–937\nv2: 110 of 1000, within 63–137\nagrees"
    )
