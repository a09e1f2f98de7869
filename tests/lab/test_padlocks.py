"""Padlocks: what was counted between two looks, and what the rules say where nothing was."""

from labkit.lab import padlocks
from labkit.telemetry.graph import Totals, Way

WAY = Way("default/productpage-v1", "default/reviews-v1")
PAIR = ("productpage-v1", "reviews-v1")


def totals(*, mutual=0.0, plain=0.0):
    return {WAY: Totals(mutual=mutual, plain=plain)}


def test_only_what_came_since_the_last_look_counts():
    assert padlocks.seen(totals(mutual=10, plain=5), totals(mutual=10, plain=2)) == {PAIR: "plain text"}
    assert padlocks.seen(totals(mutual=12, plain=2), totals(mutual=10, plain=2)) == {PAIR: "mutual TLS"}


def test_a_change_between_two_looks_is_told_by_both_words():
    assert padlocks.seen(totals(mutual=12, plain=4), totals(mutual=10, plain=2)) == {PAIR: "mutual TLS, plain text"}


def test_nothing_is_seen_where_nothing_came():
    assert padlocks.seen(totals(mutual=10), totals(mutual=10)) == {}


def test_a_proxy_that_began_anew_counts_from_nothing():
    assert padlocks.seen(totals(mutual=3), totals(mutual=10)) == {PAIR: "mutual TLS"}
