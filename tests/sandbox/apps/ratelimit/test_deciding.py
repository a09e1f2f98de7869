"""What is counted, and what the answer is."""

from collections import Counter

import pytest

from labkit.sandbox.apps.ratelimit import configuration, deciding
from labkit.sandbox.apps.ratelimit.deciding import Descriptor

DOMAINS = configuration.read(
    {
        "config.yaml": """
domain: shop
descriptors:
  - {key: user, rate_limit: {unit: minute, requests_per_unit: 10}}
  - {key: free, rate_limit: {unlimited: true}}
  - {key: watched, rate_limit: {unit: minute, requests_per_unit: 1}, shadow_mode: true}
  - {key: all, rate_limit: {unit: hour, requests_per_unit: 5, name: all}}
  - {key: vip, rate_limit: {unit: hour, requests_per_unit: 50, replaces: [{name: all}]}}
"""
    }
)


def hits(*keys: str, now: float = 0.0, count: int = 1) -> list[deciding.Hit]:
    return deciding.hits(DOMAINS, "shop", [Descriptor(entries=[(key, "x")], hits=count) for key in keys], now)


def answered(key: str, after: int, *, count: int = 1, now: float = 0.0) -> tuple[deciding.Status, Counter[str]]:
    statistics: Counter[str] = Counter()
    (hit,) = hits(key, now=now, count=count)
    return deciding.status(hit, after, now, statistics), statistics


def test_a_window_begins_at_the_units_edge_and_every_value_has_a_counter() -> None:
    assert [hits("user", now=now)[0].counter for now in (59.9, 60.0, 119.0)] == [
        "shop_user_x_0",
        "shop_user_x_60",
        "shop_user_x_60",
    ]


def test_a_limit_that_another_replaces_is_not_counted() -> None:
    assert [hit.limit is not None for hit in hits("all", "vip")] == [False, True]
    assert [hit.limit is not None for hit in hits("all", "user")] == [True, True]


@pytest.mark.parametrize(
    ("key", "after", "is_over", "remaining"),
    [
        pytest.param("user", 1, False, 9, id="the first"),
        pytest.param("user", 10, False, 0, id="the last that passes"),
        pytest.param("user", 11, True, 0, id="one too many"),
        pytest.param("free", 0, False, deciding.MOST, id="unlimited"),
        pytest.param("watched", 9, False, 0, id="over, in shadow mode"),
        pytest.param("nobody", 0, False, 0, id="no limit"),
    ],
)
def test_the_answer_follows_the_counter(key: str, after: int, is_over: bool, remaining: int) -> None:
    status, _ = answered(key, after)
    assert (status.is_over, status.remaining) == (is_over, remaining)


def test_the_answer_says_when_the_window_ends() -> None:
    assert answered("user", 1, now=61.5)[0].reset == 59


@pytest.mark.parametrize(
    ("after", "count", "expected"),
    [
        pytest.param(1, 1, {"total_hits": 1, "within_limit": 1}, id="far below"),
        pytest.param(9, 1, {"total_hits": 1, "within_limit": 1, "near_limit": 1}, id="near"),
        pytest.param(9, 3, {"total_hits": 3, "within_limit": 3, "near_limit": 1}, id="some of several near"),
        pytest.param(12, 1, {"total_hits": 1, "over_limit": 1}, id="over"),
        pytest.param(12, 4, {"total_hits": 4, "over_limit": 2, "near_limit": 2}, id="some of several over"),
    ],
)
def test_hits_are_counted_as_the_service_counts_them(after: int, count: int, expected: dict[str, int]) -> None:
    _, statistics = answered("user", after, count=count)
    assert {name.removeprefix("shop.user."): n for name, n in statistics.items() if n} == expected


def test_shadow_mode_counts_what_it_lets_pass() -> None:
    _, statistics = answered("watched", 2)
    assert statistics["shop.watched.over_limit"] == statistics["shop.watched.shadow_mode"] == 1


def test_an_override_limits_nothing_in_a_domain_that_no_file_has() -> None:
    own = Descriptor(entries=[("user", "x")], override=configuration.Limit(key="a", unit="second", requests=1))
    assert [deciding.hits(DOMAINS, domain, [own], 0.0)[0].limit is None for domain in ("shop", "other")] == [
        False,
        True,
    ]


def test_statistics_by_value_are_bounded() -> None:
    statistics = Counter(dict.fromkeys(map(str, range(deciding.NAMES)), 1))
    limit = configuration.Limit(key="shop.user_me", rolled_up="shop.user", unit="second", requests=1)
    deciding.status(deciding.Hit(limit=limit, counter="c"), 1, 0.0, statistics)
    assert statistics["shop.user.within_limit"] == 1
    assert "shop.user_me.within_limit" not in statistics
