"""Differences of Envoys as one reads them."""

from labkit.telemetry.differences import Difference, Edit
from labkit.views import diffs

WEIGHT = Edit(path="routes[0].weight", old=90, new=80)
ROUTE = Edit(path="routes[1]", old=None, new={"name": "jason", "route": {"cluster": "<v2>"}})


def changed(*edits, proxy="details-v1-9nb5g9rml5-w44kj"):
    return Difference(proxy=proxy, kind="virtual host", name="reviews:9080", change="changed", edits=edits)


def test_a_value_is_shown_before_and_after():
    assert repr(diffs.Diff(differences=[changed(WEIGHT)])).splitlines() == [
        "virtual host reviews:9080: changed, in 1 proxy: details-v1",
        "  - routes[0].weight: 90",
        "  + routes[0].weight: 80",
    ]


def test_proxies_that_changed_alike_are_told_together():
    other = changed(WEIGHT, proxy="ratings-v1-9nb5g9rml5-w44kj")
    (part,) = diffs.Diff(differences=[changed(WEIGHT), other]).parts()
    assert part.where == "in 2 proxies: details-v1, ratings-v1"


def test_a_whole_route_is_a_block_and_nothing_of_it_becomes_markup():
    shown = diffs.Diff(differences=[changed(ROUTE)])
    assert "+   name: jason" in repr(shown)
    assert "&lt;v2&gt;" in shown._repr_html_() and "<v2>" not in shown._repr_html_()


def test_nothing_is_said_in_a_sentence():
    assert repr(diffs.Diff(differences=[])) == "No Envoy has anything else than before."


def test_the_table_twin_has_a_row_per_field():
    frame = diffs.Diff(differences=[changed(WEIGHT)]).table()
    assert frame["what"].tolist() == ["routes[0].weight: 90 → 80"]
