"""The VirtualService behind a split."""

from labkit.lab import splitting

JASON = {
    "match": [{"headers": {"end-user": {"exact": "jason"}}}],
    "route": [{"destination": {"host": "reviews", "subset": "v2"}}],
}


def rule(*http):
    return {"spec": {"hosts": ["reviews"], "http": list(http)}}


def test_weights_become_one_route():
    made = splitting.virtual_service("reviews", {"v1": 90, "v2": 10}, namespace="default")
    (only,) = made["spec"]["http"]
    assert [(r["destination"]["subset"], r["weight"]) for r in only["route"]] == [("v1", 90), ("v2", 10)]


def test_rules_with_matches_stay_in_front():
    made = splitting.virtual_service("reviews", {"v1": 100}, namespace="default", live=rule(JASON, {"route": []}))
    assert made["spec"]["http"][0] == JASON
    assert len(made["spec"]["http"]) == 2


def test_the_weights_asked_for_are_read_back():
    made = splitting.virtual_service("reviews", {"v1": 70, "v3": 30}, namespace="default", live=rule(JASON))
    assert splitting.weights_of(made) == {"v1": 70, "v3": 30}


def test_a_single_destination_without_a_weight_has_all():
    live = rule({"route": [{"destination": {"host": "reviews", "subset": "v3"}}]})
    assert splitting.weights_of(live) == {"v3": 100}


def test_nothing_is_asked_for_without_a_rule():
    assert splitting.weights_of(None) == {}
    assert splitting.weights_of(rule(JASON)) == {}


def test_subsets_are_found_by_short_and_full_name():
    rules = [{"spec": {"host": "reviews.default.svc.cluster.local", "subsets": [{"name": "v1"}, {"name": "v2"}]}}]
    assert splitting.subsets_of(rules, "reviews") == ["v1", "v2"]
    assert splitting.subsets_of(rules, "ratings") == []
