"""The VirtualService behind a split view changes its weights and nothing else."""

import pytest

from labkit.lab import splitting

JASON = {
    "match": [{"headers": {"end-user": {"exact": "jason"}}}],
    "route": [{"destination": {"host": "reviews", "subset": "v2"}}],
}
ALL_V1 = {"route": [{"destination": {"host": "reviews", "subset": "v1"}}]}


def live(*http, **spec):
    return {"spec": {"hosts": ["reviews"], "http": list(http), **spec}}


def spec_of(weights, result=None):
    return splitting.virtual_service("reviews", weights, namespace="default", live=result)["spec"]


def test_a_new_one_has_a_destination_a_version():
    assert spec_of({"v1": 90, "v2": 10}) == {
        "hosts": ["reviews"],
        "http": [
            {
                "route": [
                    {"destination": {"host": "reviews", "subset": "v1"}, "weight": 90},
                    {"destination": {"host": "reviews", "subset": "v2"}, "weight": 10},
                ]
            }
        ],
    }


def test_rules_with_matches_stay_where_they_are():
    first, second, third = spec_of({"v1": 50, "v2": 50}, live(JASON, ALL_V1, JASON))["http"]
    assert first == third == JASON and splitting.weights_of(live(second)) == {"v1": 50, "v2": 50}


def test_without_a_plain_rule_the_weights_go_last():
    assert len(spec_of({"v1": 100}, live(JASON))["http"]) == 2


def test_timeouts_and_what_else_is_beside_the_weights_stays():
    rule = {**ALL_V1, "timeout": "0.5s", "fault": {"delay": {"fixedDelay": "2s"}}}
    (result,) = spec_of({"v1": 0, "v3": 100}, live(rule))["http"]
    assert (result["timeout"], result["fault"]) == (rule["timeout"], rule["fault"])


def test_a_redirect_gives_way_to_the_weights():
    (result,) = spec_of({"v1": 100}, live({"redirect": {"uri": "/"}}))["http"]
    assert set(result) == {"route"}


def test_ports_and_headers_of_a_destination_stay():
    entry = {"destination": {"host": "reviews", "subset": "v1", "port": {"number": 9080}}, "headers": {"request": {}}}
    (result,) = spec_of({"v1": 60, "v2": 40}, live({"route": [entry]}))["http"]
    assert result["route"][0] == {**entry, "weight": 60}


def test_hosts_and_gateways_stay():
    result = spec_of({"v1": 100}, live(ALL_V1, gateways=["mesh", "bookinfo-gateway"]))
    assert result["gateways"] == ["mesh", "bookinfo-gateway"]


@pytest.mark.parametrize(
    ("http", "weights"),
    [
        pytest.param([ALL_V1], {"v1": 100}, id="one destination without a weight"),
        pytest.param([JASON], {}, id="only rules with matches"),
        pytest.param([JASON, ALL_V1], {"v1": 100}, id="behind a rule with a match"),
        pytest.param([{"route": [{"destination": {"host": "reviews"}}]}], {}, id="no subset"),
        pytest.param([], {}, id="no rules"),
    ],
)
def test_weights_are_those_of_the_first_rule_that_takes_all(http, weights):
    assert splitting.weights_of(live(*http)) == weights


def test_nothing_there_asks_for_nothing():
    assert splitting.weights_of(None) == {}


def test_subsets_are_found_by_the_short_name():
    rule = {"spec": {"host": "reviews.default.svc.cluster.local", "subsets": [{"name": "v1"}, {"name": "v2"}]}}
    assert splitting.subsets_of([rule], "reviews") == ["v1", "v2"]
    assert splitting.subsets_of([rule], "ratings") == []
