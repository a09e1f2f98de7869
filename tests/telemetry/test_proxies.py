"""Tables of what a proxy was given, from pieces of its configuration dump."""

import pytest

from labkit.telemetry import proxies

PREFIX = {"prefix": "/"}


def matches(*result):
    routes = [{"match": match, "route": {"cluster": "outbound|80||a"}} for match in result]
    config = {"name": "80", "virtual_hosts": [{"name": "a:80", "routes": routes}]}
    rows = proxies.route_rows({"configs": [{"dynamic_route_configs": [{"route_config": config}]}]})
    return [match for _, _, match, _, _ in rows]


@pytest.mark.parametrize(
    ("match", "shown"),
    [
        pytest.param(PREFIX, "^/", id="prefix"),
        pytest.param({"path": "/a"}, "=/a", id="exact"),
        pytest.param({"safe_regex": {"regex": "/a.*"}}, "/a.*", id="regex"),
    ],
)
def test_a_path_is_shown_with_its_kind(match, shown):
    assert matches(match) == [shown]


@pytest.mark.parametrize(
    ("matcher", "shown"),
    [
        pytest.param({"string_match": {"exact": "x"}}, "=x", id="exact"),
        pytest.param({"string_match": {"prefix": "x"}}, "^x", id="prefix"),
        pytest.param({"string_match": {"safe_regex": {"regex": "x.*"}}}, "~x.*", id="regex"),
        pytest.param({"present_match": True}, "", id="present"),
    ],
)
def test_conditions_stand_behind_the_path(matcher, shown):
    header, parameter = {"name": "end-user", **matcher}, {"name": "beta", **matcher}
    assert matches({**PREFIX, "headers": [header]}) == [f"^/ end-user{shown}"]
    assert matches({**PREFIX, "query_parameters": [parameter]}) == [f"^/ ?beta{shown}"]


def test_what_must_not_be_is_marked():
    header = {"name": "end-user", "string_match": {"exact": "jason"}, "invert_match": True}
    assert matches({**PREFIX, "headers": [header]}) == ["^/ !end-user=jason"]
