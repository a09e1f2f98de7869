"""What changed in an Envoy."""

from labkit.telemetry import differences


def dump(weight, *clusters):
    host = {"name": "reviews:9080", "routes": [{"route": {"weighted_clusters": {"clusters": [{"weight": weight}]}}}]}
    return {
        "configs": [
            {"dynamic_route_configs": [{"route_config": {"virtual_hosts": [host]}}]},
            {"dynamic_active_clusters": [{"cluster": {"name": name}} for name in clusters]},
            {"dynamic_listeners": [{"name": "warming, so not active yet"}]},
        ]
    }


def between(before, after):
    return differences.between({"pod": differences.parts(before)}, {"pod": differences.parts(after)})


def test_nothing_changed_is_nothing():
    assert between(dump(90, "a"), dump(90, "a")) == []


def test_a_changed_field_is_named_with_both_values():
    (result,) = between(dump(90), dump(80))
    assert (result.kind, result.name, result.change) == ("virtual host", "reviews:9080", "changed")
    assert result.lines == ("routes[0].route.weighted_clusters.clusters[0].weight: 90 → 80",)


def test_what_came_and_what_went_are_told_apart():
    changes = between(dump(1, "old"), dump(1, "new"))
    assert [(d.name, d.change) for d in changes] == [("new", "added"), ("old", "removed")]


def test_a_proxy_that_is_new_is_no_difference():
    parts = differences.parts(dump(1, "a"))
    assert differences.between({}, {"pod": parts}) == []


def test_the_table_has_a_row_a_field_and_says_on_how_many_proxies():
    old, new = differences.parts(dump(90, "a")), differences.parts(dump(80))
    pods = ("details-v1-9nb5g9rml5-w44kj", "reviews-v1-9nb5g9rml5-w44kj")
    frame = differences.frame(differences.between(dict.fromkeys(pods, old), dict.fromkeys(pods, new)))
    assert frame[["kind", "change"]].values.tolist() == [["cluster", "removed"], ["virtual host", "changed"]]
    assert set(frame["proxies"]) == {"2: details-v1, reviews-v1"}


def test_an_item_that_came_into_a_list_leaves_the_others_alone():
    old, new = {"routes": [{"name": "rest"}]}, {"routes": [{"name": "jason"}, {"name": "rest"}]}
    (edit,) = differences.edits(old, new)
    assert (edit.path, edit.old, edit.new) == ("routes[0]", None, {"name": "jason"})
