"""Values of patches are read as istiod reads them, and refused in the words of its reader."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.sandbox.istiod.protos import Protos

CLUSTER = "envoy.config.cluster.v3.Cluster"
FILTER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter"
LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"
LIMIT = "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
OBJECT = "Go value of type map[string]json.RawMessage"


def problem(message, value, *, strict=False):
    return Protos().problem(message, value, strict=strict)


def typed(url, **fields):
    return {"name": "it", "typed_config": {"@type": url, **fields}}


@pytest.mark.parametrize(
    "value",
    [
        {"connect_timeout": "1m30s", "connectTimeout": "1s"},
        {"per_connection_buffer_limit_bytes": "32768"},
        {"per_connection_buffer_limit_bytes": 32768.0},
        {"type": "STRICT_DNS"},
        {"type": 1},
        {"name": None},
        {"metadata": {"filter_metadata": {"a": {"b": [1, None]}}}},
        {"nobody knows": "this"},
        {"transport_socket": typed("type.googleapis.com/google.protobuf.StringValue", value="a")},
        {"transport_socket": typed("type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer", a=1)},
        {"transport_socket": typed("type.googleapis.com/envoy.extensions.filters.http.golang.v3alpha.Config", a=1)},
    ],
)
def test_what_go_reads_is_taken(value):
    assert problem(CLUSTER, value) == ""


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"name": 5}, "json: cannot unmarshal number into Go value of type string"),
        ({"name": True}, "json: cannot unmarshal bool into Go value of type string"),
        ({"per_connection_buffer_limit_bytes": -1}, "json: cannot unmarshal number -1 into Go value of type uint32"),
        ({"per_connection_buffer_limit_bytes": "10%"}, "invalid character '%' after top-level value"),
        ({"per_connection_buffer_limit_bytes": "a"}, "invalid character 'a' looking for beginning of value"),
        ({"type": "a..b"}, 'unknown value "\\"a..b\\"" for enum envoy.config.cluster.v3.Cluster.DiscoveryType'),
        ({"connect_timeout": "soon"}, 'bad Duration: time: invalid duration "soon"'),
        ({"connect_timeout": "5"}, 'bad Duration: time: missing unit in duration "5"'),
        ({"connect_timeout": "5y"}, 'bad Duration: time: unknown unit "y" in duration "5y"'),
        ({"load_assignment": 3}, f"json: cannot unmarshal number into {OBJECT}"),
        ({"transport_socket_matches": {}}, "json: cannot unmarshal object into Go value of type []json.RawMessage"),
        ({"metadata": {"filter_metadata": {"a": 1}}}, f"bad StructValue: json: cannot unmarshal number into {OBJECT}"),
    ],
)
def test_what_go_cannot_read_is_refused_in_its_words(value, words):
    assert problem(CLUSTER, value) == words


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"@typex": LUA}, "Any JSON doesn't have '@type'"),
        ({"@type": True}, "can't unmarshal Any's '@type': \"true\""),
        ({"@type": "nope"}, "could not resolve Any message type: nope"),
        ({"@type": f"{LUA}x"}, f"could not resolve Any message type: {LUA}x"),
        ("/", f"json: cannot unmarshal string into {OBJECT}"),
        (
            {"@type": LIMIT, "token_bucket": ""},
            f"can't unmarshal Any nested proto {LIMIT}: json: cannot unmarshal string into {OBJECT}",
        ),
    ],
)
def test_a_typed_config_is_judged_by_its_type(config, words):
    assert problem(FILTER, {"name": "it", "typed_config": config}) == words


def test_unknown_fields_are_named_at_any_depth_by_the_strict_reader():
    value = typed(LIMIT, filter_enabled={"default_value": {"numeratorx": 1}})
    assert problem(FILTER, value) == ""
    assert problem(FILTER, value, strict=True) == (
        f'can\'t unmarshal Any nested proto {LIMIT}: unknown field "numeratorx" in envoy.type.v3.FractionalPercent'
    )


def test_extensions_without_a_type_are_named():
    assert Protos().without_type(FILTER, {"name": "envoy.filters.http.lua"}) == ["envoy.filters.http.lua"]
    assert Protos().without_type(FILTER, typed(LUA)) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "type", "@type", "metadata", "typed_config", "x"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(value=JSON)
def test_any_value_gets_a_verdict(value):
    for message in (CLUSTER, FILTER):
        assert isinstance(problem(message, value, strict=True), str)
