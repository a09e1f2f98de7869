"""Bodies are read as a Go server reads them."""

import base64
from typing import Any

import pytest

from labkit.kube import status
from labkit.sandbox.apiserver.objects import decoding, schemas

CONFIG_MAP, POD = schemas.builtin("v1", "ConfigMap"), schemas.builtin("v1", "Pod")
assert CONFIG_MAP and POD


def refused(schema: schemas.Schema, body: bytes, content_type: str = decoding.JSON, level: str = "Warn") -> str:
    with pytest.raises(status.StatusError) as caught:
        decoding.read(schema, body, content_type, level=level)
    return str(caught.value.status["message"])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(b"", "unexpected end of JSON input (<empty>)", id="nothing"),
        pytest.param(b"{nope", "looking for beginning of object key string ({nope)", id="no JSON"),
        pytest.param(b'{"a":1} x', "invalid character 'x' after top-level value", id="trailing text"),
        pytest.param(b'"x"', "cannot unmarshal string into Go value of type struct", id="a text"),
        pytest.param(b'{"a":' * 20000, "exceeded max depth", id="too deep"),
        pytest.param(b'{"kind":"Nope"}', 'no kind "Nope" is registered for version "v1"', id="unknown kind"),
        pytest.param(b'{"kind":"Pod"}', "converting (v1.Pod) to (core.ConfigMap)", id="another kind"),
        pytest.param(b'{"data":{"a":1}}', "field ConfigMap.data of type string", id="number in a map"),
        pytest.param(b'{"data":[]}', "of type map[string]string", id="list for a map"),
        pytest.param(b'{"metadata":{"uid":5}}', "ObjectMeta.metadata.uid of type types.UID", id="named type"),
        pytest.param(b'{"binaryData":{"a":"%"}}', "illegal base64 data at input byte 0", id="no base64"),
    ],
)
def test_a_refusal_is_worded_as_gos(body: bytes, words: str) -> None:
    assert words in refused(CONFIG_MAP, body)


@pytest.mark.parametrize(
    ("number", "shown"), [("1.0", "1.0"), ("99999999999999999999", "99999999999999999999"), ('"1"', "string")]
)
def test_a_wrong_number_is_shown_as_it_was_sent(number: str, shown: str) -> None:
    body = f'{{"spec":{{"terminationGracePeriodSeconds":{number}}}}}'.encode()
    assert shown in refused(POD, body)


def test_unknown_fields_warn_by_default_and_are_dropped() -> None:
    decoded = decoding.read(CONFIG_MAP, b'{"metadata":{"name":"c"},"nope":1}')
    assert decoded.warnings == ('unknown field "nope"',)
    assert "nope" not in decoded.object


def test_strict_reading_names_every_unknown_field() -> None:
    body = b'{"spec":{"containers":[{"name":"c","imagee":"x","ports":[{"prot":"x"}]}],"nodeNme":"x"}}'
    words = refused(POD, body, level="Strict")
    for path in ("spec.containers[0].imagee", "spec.containers[0].ports[0].prot", "spec.nodeNme"):
        assert f'unknown field "{path}"' in words


def test_repeated_keys_merge_and_warn() -> None:
    decoded = decoding.read(CONFIG_MAP, b'{"data":{"a":"1","a":"2"},"data":{"b":"3"}}')
    assert decoded.object["data"] == {"a": "2", "b": "3"}
    assert decoded.warnings == ('duplicate field "data.a"', 'duplicate field "data"')


def test_yaml_is_read_and_its_repetitions_have_lines() -> None:
    decoded = decoding.read(CONFIG_MAP, b'metadata: {name: c}\ndata: {a: "1", a: "2"}\n', decoding.YAML)
    assert decoded.object["data"] == {"a": "2"}
    assert decoded.warnings == ('line 2: key "a" already set in map',)


def test_a_protobuf_body_is_understood() -> None:
    body = base64.b64decode("azhzAAoPCgJ2MRIJQ29uZmlnTWFwEhEKBQoDY3B1EggKAWESA29uZQ==")
    decoded = decoding.read(CONFIG_MAP, body, decoding.PROTOBUF)
    assert decoded.object == {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "cpu"},
        "data": {"a": "one"},
    }


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        pytest.param("hostNetwork", False, False, id="false is nothing"),
        pytest.param("automountServiceAccountToken", False, True, id="a pointer to false is said"),
        pytest.param("activeDeadlineSeconds", 0, True, id="a pointer to 0 is said"),
        pytest.param("nodeName", "", False, id="an empty text is nothing"),
        pytest.param("nodeSelector", {}, False, id="an empty map is nothing"),
    ],
)
def test_empty_values_stay_where_go_tells_them_from_nothing(field: str, value: Any, kept: bool) -> None:
    spec = decoding.decode(POD, {"spec": {field: value, "containers": []}}).object["spec"]
    assert (field in spec) == kept
