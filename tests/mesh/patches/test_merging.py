"""JSON merged as Istio merges protobuf messages."""

from typing import Any

import pytest

from labkit.mesh.patches import merging

CLUSTER, ROUTE, LISTENER = (
    "envoy.config.cluster.v3.Cluster",
    "envoy.config.route.v3.Route",
    "envoy.config.listener.v3.Listener",
)
HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
TYPE = "type.googleapis.com/"
LUA, ROUTER = (f"{TYPE}envoy.extensions.filters.http.{name}" for name in ("lua.v3.Lua", "router.v3.Router"))


def options(name: str, **fields: Any) -> dict[str, Any]:
    return {"typed_extension_protocol_options": {name: {"@type": f"{TYPE}x.{name}", **fields}}}


@pytest.mark.parametrize(
    ("message", "old", "new", "result"),
    [
        pytest.param(CLUSTER, {"name": "a"}, {"name": "b"}, {"name": "b"}, id="a scalar replaces"),
        pytest.param(
            CLUSTER,
            {"common_lb_config": {"update_merge_window": "1s"}},
            {"common_lb_config": {"ignore_new_hosts_until_first_hc": True}},
            {"common_lb_config": {"update_merge_window": "1s", "ignore_new_hosts_until_first_hc": True}},
            id="messages merge",
        ),
        pytest.param(
            CLUSTER,
            {"connect_timeout": "10s"},
            {"connect_timeout": "0.5s"},
            {"connect_timeout": "0.5s"},
            id="durations replace",
        ),
        pytest.param(
            LISTENER,
            {"listener_filters": [{"name": "a"}]},
            {"listener_filters": [{"name": "a"}]},
            {"listener_filters": [{"name": "a"}, {"name": "a"}]},
            id="lists append",
        ),
        pytest.param(
            CLUSTER,
            options("a", x=1),
            options("a", y=2),
            options("a", y=2),
            id="an entry of a map replaces",
        ),
        pytest.param(
            CLUSTER,
            options("a"),
            options("b"),
            {
                "typed_extension_protocol_options": {
                    **options("a")["typed_extension_protocol_options"],
                    **options("b")["typed_extension_protocol_options"],
                }
            },
            id="and the others stay",
        ),
        pytest.param(
            ROUTE,
            {"route": {"cluster": "a", "timeout": "3s"}},
            {"direct_response": {"status": 503}},
            {"direct_response": {"status": 503}},
            id="of a oneof the newer",
        ),
        pytest.param(
            ROUTE,
            {"route": {"cluster": "a", "timeout": "3s"}},
            {"route": {"weighted_clusters": {"clusters": []}}},
            {"route": {"timeout": "3s", "weighted_clusters": {"clusters": []}}},
            id="of a oneof inside",
        ),
        pytest.param(
            LISTENER,
            {"use_original_dst": True, "per_connection_buffer_limit_bytes": 5},
            {"use_original_dst": False, "per_connection_buffer_limit_bytes": 0},
            {"use_original_dst": True, "per_connection_buffer_limit_bytes": 5},
            id="a default in a wrapper changes nothing",
        ),
        pytest.param(
            LISTENER, {}, {"use_original_dst": False}, {"use_original_dst": False}, id="unless nothing was there"
        ),
        pytest.param(
            CLUSTER,
            {"metadata": {"filter_metadata": {"istio": {"a": 1}}}},
            {"metadata": {"filter_metadata": {"istio": {"b": 2}, "own": {"c": 3}}}},
            {"metadata": {"filter_metadata": {"istio": {"b": 2}, "own": {"c": 3}}}},
            id="a Struct in a map is an entry",
        ),
        pytest.param(CLUSTER, {"name": "a"}, {"no_such_field": 1}, {"name": "a"}, id="an unknown field is dropped"),
    ],
)
def test_a_patch_is_merged(message: str, old: dict[str, Any], new: dict[str, Any], result: dict[str, Any]) -> None:
    assert merging.merged(message, old, new) == result


@pytest.mark.parametrize(
    ("old", "new", "result"),
    [
        pytest.param(
            {"@type": TYPE + HCM, "stat_prefix": "a", "common_http_protocol_options": {"max_headers_count": 9}},
            {"@type": TYPE + HCM, "common_http_protocol_options": {"idle_timeout": "30s"}},
            {
                "@type": TYPE + HCM,
                "stat_prefix": "a",
                "common_http_protocol_options": {"max_headers_count": 9, "idle_timeout": "30s"},
            },
            id="of one type, by their fields",
        ),
        pytest.param(
            {"@type": LUA, "inline_code": "x"},
            {"@type": ROUTER, "start_child_span": True},
            {"@type": LUA, "inline_code": "x"},
            id="of another type, the first stays",
        ),
        pytest.param(
            {"@type": f"{TYPE}no.such.Message", "a": 1},
            {"@type": f"{TYPE}no.such.Message", "b": 2},
            {"@type": f"{TYPE}no.such.Message", "a": 1},
            id="of a type that nobody knows, the first stays",
        ),
    ],
)
def test_configurations_of_extensions_are_merged(
    old: dict[str, Any], new: dict[str, Any], result: dict[str, Any]
) -> None:
    assert merging.merged_any(old, new) == result


def test_a_merge_that_replaces_lists_replaces_them_at_any_depth() -> None:
    old = {"bind_config": {"freebind": True, "socket_options": [{"level": 1}]}, "listener_filters": [{"name": "a"}]}
    new = {"bind_config": {"socket_options": [{"level": 2}]}, "listener_filters": [{"name": "b"}]}
    cluster = {"upstream_bind_config": old["bind_config"], "filters": old["listener_filters"]}
    patch = {"upstream_bind_config": new["bind_config"], "filters": new["listener_filters"]}
    assert merging.merged(CLUSTER, cluster, patch, replaces_lists=True) == {
        "upstream_bind_config": {"freebind": True, "socket_options": [{"level": 2}]},
        "filters": [{"name": "b"}],
    }


def test_what_is_merged_is_left_as_it_was() -> None:
    old = {"listener_filters": [{"name": "a"}], "metadata": {"filter_metadata": {}}}
    merging.merged(LISTENER, old, {"listener_filters": [{"name": "b"}], "metadata": {"filter_metadata": {"x": {}}}})
    assert old == {"listener_filters": [{"name": "a"}], "metadata": {"filter_metadata": {}}}


@pytest.mark.parametrize(
    ("config", "name", "result"),
    [
        pytest.param(
            {"@type": f"{TYPE}envoy.extensions.filters.http.buffer.v3.Buffer", "max_request_bytes": 5},
            ROUTER,
            {"dynamic_stats": True},
            id="a field of one number and kind carries over",
        ),
        pytest.param({"@type": ROUTER, "start_child_span": True}, LUA, {}, id="a field of another kind says nothing"),
        pytest.param({"@type": f"{TYPE}no.such.Message", "a": 1}, ROUTER, {}, id="a type that nobody knows"),
    ],
)
def test_a_patch_of_another_type_is_read_under_the_type_of_the_filter(
    config: dict[str, Any], name: str, result: dict[str, Any]
) -> None:
    assert merging.read_as(config, name.removeprefix(TYPE)) == {"@type": name, **result}
