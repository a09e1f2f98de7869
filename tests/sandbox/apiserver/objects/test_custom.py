"""Custom resources against their schemas. Every expectation is what Kubernetes 1.36's own validator says."""

from typing import Any

import pytest

from labkit.install import types
from labkit.sandbox.apiserver.objects import refusals, schemas, validation
from labkit.sandbox.apiserver.objects.validation import custom, formats, lists, schema_values
from labkit.sandbox.apiserver.objects.validation.causes import Cause

UNCHECKED = "some validation rules were not checked because the object was invalid"
LETTERS: dict[str, Any] = {"properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "type": "object"}
A, B, C = ({"required": [name]} for name in "abc")


def sentences(schema: dict[str, Any], value: Any, old: Any = None) -> list[str]:
    """Every complaint, without its reason."""
    return [f"{cause.field}: {cause.message}" for cause in schema_values.problems(schema, value, "spec", old)]


def whole(detail: str) -> str:
    return f'<nil>: Invalid value: "": {detail}'


@pytest.mark.parametrize(
    ("combined", "complaints"),
    [
        (
            {"oneOf": [A, B]},
            [whole('"spec" must validate one and only one schema (oneOf). Found 2 valid alternatives')],
        ),
        (
            {"oneOf": [C, {"required": ["c", "d"]}]},
            [
                whole('"spec" must validate one and only one schema (oneOf). Found none valid'),
                "spec.c: Required value",
            ],
        ),
        (
            {"anyOf": [C, {"properties": {"a": {"minLength": 9}}}]},
            [
                whole('"spec" must validate at least one schema (anyOf)'),
                'spec.a: Invalid value: "x": spec.a in body should be at least 9 chars long',
            ],
        ),
        ({"anyOf": [C, A]}, []),
        ({"allOf": [A, C]}, ["spec.c: Required value", whole('"spec" must validate all the schemas (allOf)')]),
        (
            {"allOf": [C]},
            ["spec.c: Required value", whole('"spec" must validate all the schemas (allOf). None validated')],
        ),
        ({"not": A}, [whole('"spec" must not validate the schema (not)')]),
        ({"not": {}}, [whole('"spec" must not validate the schema (not)')]),
    ],
    ids=[
        "too many of one",
        "none of one: the first of those that got equally far",
        "none of any: the one that got furthest",
        "one of any",
        "one of all",
        "none of all",
        "what it must not be",
        "nothing is allowed",
    ],
)
def test_alternatives_are_counted(combined: dict[str, Any], complaints: list[str]) -> None:
    assert sentences({**LETTERS, **combined}, {"a": "x", "b": "y"}) == complaints


def test_a_value_of_the_wrong_type_is_checked_on() -> None:
    result = sentences({**LETTERS, "oneOf": [{"not": {"anyOf": [A, B]}}, A, B]}, "x")
    assert result == [
        'spec: Invalid value: "string": spec in body must be of type object: "string"',
        whole('"spec" must validate one and only one schema (oneOf). Found 2 valid alternatives'),
    ]


@pytest.mark.parametrize(
    ("schema", "value", "complaints"),
    [
        (
            {"type": "string", "maxLength": 1, "pattern": "^x$"},
            "ab",
            ["spec: Too long: may not be more than 1 byte"],
        ),
        (
            {"type": "integer", "maximum": 4294967295},
            4294967296,
            ["spec: Invalid value: 4294967296: spec in body should be less than or equal to 4294967295"],
        ),
        (
            {"type": "number", "maximum": 4294967295},
            4294967296.5,
            ["spec: Invalid value: 4.2949672965e+09: spec in body should be less than or equal to 4.294967295e+09"],
        ),
        (
            {"type": "integer", "format": "int32"},
            1.5,
            [
                'spec: Invalid value: "float64": spec in body must be of type int32: "float64"',
                whole("Checked value must be of type integer with format int32 in spec"),
            ],
        ),
        ({"type": "integer"}, 2.0, []),
        ({"type": "string", "format": "byte"}, "", ['spec: Invalid value: "": spec in body must be of type byte: ""']),
        (
            {"type": "integer", "enum": [1]},
            True,
            [
                'spec: Invalid value: "boolean": spec in body must be of type integer: "boolean"',
                'spec: Unsupported value: true: supported values: "1"',
            ],
        ),
        (
            {"type": "array", "minItems": 2, "items": {"type": "string"}},
            [1],
            [
                'spec[0]: Invalid value: "integer": spec[0] in body must be of type string: "integer"',
                "spec: Invalid value: 1: spec in body should have at least 2 items",
            ],
        ),
        (
            {**LETTERS, "maxProperties": 1, "required": ["c"]},
            {"a": 1, "b": "y"},
            [
                "spec: Too many: 2: must have at most 1 item",
                'spec.a: Invalid value: "integer": spec.a in body must be of type string: "integer"',
                "spec.c: Required value",
            ],
        ),
    ],
    ids=[
        "a text stops at its first fault",
        "an integer's limit is an integer",
        "a number's limit is a number",
        "a fraction is no int32",
        "a fraction of zero is no fraction",
        "nothing is no base64",
        "true is not 1",
        "items come before their number",
        "fields come between their number and the missing ones",
    ],
)
def test_values_are_judged_in_the_validators_order_and_words(
    schema: dict[str, Any], value: Any, complaints: list[str]
) -> None:
    assert sentences(schema, value) == complaints


@pytest.mark.parametrize(
    ("form", "fitting", "wrong"),
    [
        ("date", "2026-02-28", "2026-02-30"),
        ("date-time", "2026-01-02T03:04:05Z", "2026-01-02 03:04:05Z"),
        ("ipv6", "::1", "fe80::1%eth0"),
        ("uri", "/a", "http://a b"),
        ("hostname", "a-b.example.com", "1.2.3.4"),
        ("k8s-short-name", "a-b", "a.b"),
        ("nobody-knows", "anything", None),
    ],
)
def test_formats_are_asked_of_texts(form: str, fitting: str, wrong: str | None) -> None:
    schema = {"type": "string", "format": form}
    assert sentences(schema, fitting) == []
    assert wrong is None or sentences(schema, wrong) != []
    assert bool(formats.effective(schema)) == (wrong is not None)


MAP = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"]}
SHORT = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string", "maxLength": 1}}}


@pytest.mark.parametrize(
    ("kind", "fields"),
    [(MAP, ["spec[0].b"]), ({"type": "array"}, ["spec[0].b", "spec[1].b"])],
    ids=["in a map each has its own", "in another list only the whole list has one"],
)
def test_what_was_wrong_before_may_stay_where_it_has_a_counterpart(kind: dict[str, Any], fields: list[str]) -> None:
    old = [{"a": "x", "b": "long"}]
    new = [{"a": "y", "b": "long"}, *old]
    problems = schema_values.problems({**kind, "items": SHORT}, new, "spec", old)
    assert [cause.field for cause in problems] == fields
    assert list(schema_values.problems({**kind, "items": SHORT}, old, "spec", old)) == []


@pytest.mark.parametrize(
    ("kind", "value", "complaints"),
    [
        (MAP, [{"a": "x"}, {"a": "y"}, {"a": "x", "b": 1}, {"a": "x"}], ['spec[2]: Duplicate value: {"a":"x"}']),
        (MAP, [{}, {}], ["spec[1]: Duplicate value: {}"]),
        (MAP, ["x"], ['spec[0]: Invalid value: "x": must be an object for an array of list-type map']),
        ({"x-kubernetes-list-type": "set"}, ["x", "y", "x", "x"], ['spec[2]: Duplicate value: "x"']),
        ({"x-kubernetes-list-type": "set"}, [1, True], []),
        ({}, ["x", "x"], []),
        ({"items": {"x-kubernetes-list-type": "set"}}, [[1, 1]], ["spec[0][1]: Duplicate value: 1"]),
    ],
    ids=["map", "map without its keys", "map of texts", "set", "set of different kinds", "list", "set in a list"],
)
def test_sets_and_maps_hold_everything_once(kind: dict[str, Any], value: list[Any], complaints: list[str]) -> None:
    assert [f"{cause.field}: {cause.message}" for cause in lists.problems(kind, value, "spec")] == complaints


def gateway(**listener: Any) -> list[Cause]:
    """What is wrong with a Gateway whose listeners share a name, which a rule in CEL forbids."""
    served = next(crd for crd in types.crds() if crd["metadata"]["name"] == "gateways.gateway.networking.k8s.io")
    first = {"name": "a", "port": 80, "protocol": "HTTP"}
    spec = {"gatewayClassName": "istio", "listeners": [first, {**first, "port": 81, **listener}]}
    obj = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "x"},
        "spec": {key: value for key, value in spec.items() if value is not None},
    }
    return validation.validate(schemas.from_crd(served, "v1"), obj)


@pytest.mark.parametrize(
    ("listener", "blocks"),
    [
        ({}, False),
        ({"port": 0}, False),
        ({"hostname": "*"}, False),
        ({"port": "81"}, True),
        ({"protocol": None}, True),
        ({"hostname": "a" * 300}, True),
        ({"allowedRoutes": {"namespaces": {"from": "Nowhere"}}}, True),
    ],
    ids=["duplicate", "too small", "pattern", "mistyped", "null", "too long", "unsupported"],
)
def test_rules_are_asked_unless_something_more_basic_is_wrong(listener: dict[str, Any], blocks: bool) -> None:
    last = gateway(**listener)[-1]
    assert last.message.startswith(f"Invalid value: null: {UNCHECKED}" if blocks else "Invalid value: Listener name")


def test_a_definition_without_rules_has_none_to_ask() -> None:
    served = next(crd for crd in types.crds() if crd["metadata"]["name"] == "gateways.gateway.networking.k8s.io")
    version = {**served["spec"]["versions"][0], "schema": {"openAPIV3Schema": {"type": "object"}}}
    bare = schemas.from_crd({**served, "spec": {**served["spec"], "versions": [version]}}, version["name"])
    assert custom.broken(bare, {}, None, [Cause("FieldValueRequired", "Required value", "spec")]) == []


@pytest.mark.parametrize(
    ("number", "text"),
    [(-5, "-5"), (0.5, "0.5"), (100.0, "100"), (123456.5, "123456.5"), (1e6, "1e+06"), (0.00001, "1e-05")],
)
def test_numbers_are_printed_as_go_prints_them(number: float, text: str) -> None:
    assert refusals.printed(number) == text
