"""Rules in CEL on custom resources: compiled with their definition, judged with every write."""

import re

import pytest

from labkit.sandbox.apiserver.objects import defaults, schemas, validation
from tests import recorded

CRD = schemas.builtin("apiextensions.k8s.io/v1", "CustomResourceDefinition")
INNER_TYPE = re.compile(r"selfType\d+[\w.]*|object\.T\d+[\w.]*")
"""How a server calls the type of a part of a schema, which is nobody's business but its own."""

DIFFERENT = {
    "self.s.trim().reverse() == 'cba'": "the library's strings can be reversed; the server's version of them cannot",
}
"""Rules that are judged otherwise, each with the reason; the list may only shrink."""


def crd(spec):
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "ws.celx.example"},
        "spec": {
            "group": "celx.example",
            "scope": "Namespaced",
            "names": {"plural": "ws", "singular": "w", "kind": "W", "listKind": "WList"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
                }
            ],
        },
    }


def refusal(schema, obj, old=None):
    """The message of the 422, or nothing."""
    causes = validation.validate(schema, obj, old, None)
    return validation.invalid(schema, obj["metadata"]["name"], causes).status["message"] if causes else ""


def of_definition(definition):
    return refusal(CRD, defaults.with_defaults(CRD, definition))


def widget(spec):
    return {"apiVersion": "celx.example/v1", "kind": "W", "metadata": {"name": "x", "namespace": "n"}, "spec": spec}


def judged(rule, spec, old=None, *, properties=None):
    """What a write is answered where the spec has one rule."""
    part = {"type": "object", "properties": properties or {"n": {"type": "integer"}, "m": {"type": "integer"}}}
    schema = schemas.from_crd(crd(part | {"x-kubernetes-validations": [rule]}), "v1")
    return refusal(schema, widget(spec), widget(old) if old is not None else None)


def is_answered_otherwise(case, base):
    part = {"type": "object", "properties": base["properties"], "x-kubernetes-validations": [{"rule": case["rule"]}]}
    told = INNER_TYPE.sub("T", of_definition(crd(part)))
    if told or case["definition"]:
        return told != INNER_TYPE.sub("T", case["definition"])
    return refusal(schemas.from_crd(crd(part), "v1"), widget(base["spec"])) != case["object"]


def test_a_rule_is_answered_word_for_word_as_a_real_server_answers():
    base = recorded.KUBERNETES_DRAWN.json("rules.json")
    cases = recorded.KUBERNETES_DRAWN.json_lines("rules.jsonl")
    assert {case["rule"] for case in cases if is_answered_otherwise(case, base)} == set(DIFFERENT)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        pytest.param({}, "spec: Invalid value: failed rule: self.n <= 5", id="the rule itself, where it says nothing"),
        pytest.param({"message": "too many"}, "spec: Invalid value: too many", id="its message"),
        pytest.param({"messageExpression": "'n is ' + string(self.n)"}, "spec: Invalid value: n is 9", id="computed"),
        pytest.param({"messageExpression": "''", "message": "too many"}, "spec: Invalid value: too many", id="empty"),
        pytest.param({"fieldPath": ".n"}, "spec.n: Invalid value: failed rule: self.n <= 5", id="its field"),
        pytest.param({"message": "no", "reason": "FieldValueForbidden"}, "spec: Forbidden: no", id="its reason"),
    ],
)
def test_a_refusal_says_what_its_rule_says(rule, told):
    message = judged({"rule": "self.n <= 5"} | rule, {"n": 9})
    assert message == f'W.celx.example "x" is invalid: {told}'
    assert judged({"rule": "self.n <= 5"} | rule, {"n": 5}) == ""


def test_a_rule_of_transition_judges_changes_alone():
    rule = {"rule": "self.n >= oldSelf.n"}
    assert judged(rule, {"n": 1}) == ""
    assert judged(rule, {"n": 2}, {"n": 1}) == ""
    assert "failed rule" in judged(rule, {"n": 1}, {"n": 2})


def test_an_optional_old_value_is_none_for_a_new_object():
    rule = {"rule": "!oldSelf.hasValue() || self.n == oldSelf.value().n", "optionalOldSelf": True}
    assert [bool(judged(rule, {"n": 1}, old)) for old in (None, {"n": 1}, {"n": 2})] == [False, False, True]


def test_names_that_cel_keeps_for_itself_are_escaped():
    properties = {name: {"type": "integer"} for name in ("namespace", "a-b", "x.y", "in", "__z")}
    rule = {"rule": "self.__namespace__ + self.a__dash__b + self.x__dot__y + self.__in__ + self.__underscores__z == 5"}
    assert judged(rule, dict.fromkeys(properties, 1), properties=properties) == ""


def test_what_an_update_leaves_as_it_was_is_not_judged_again():
    assert judged({"rule": "self.n <= 5"}, {"n": 9}, {"n": 9}) == ""
    assert "failed rule" in judged({"rule": "self.n <= 5"}, {"n": 9, "m": 1}, {"n": 9})
