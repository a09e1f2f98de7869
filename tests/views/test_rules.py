"""Header rules in words."""

import pytest
import yaml

from labkit.views import rules


def sentences(*http):
    rows = rules.sentences(yaml.safe_dump({"spec": {"http": list(http)}}))
    return [f"{row['when']} → {row['to']}" for row in rows]


def rule(match, *route):
    return {"match": match, "route": list(route)}


V2 = {"destination": {"host": "reviews", "subset": "v2"}}


@pytest.mark.parametrize(
    ("match", "when"),
    [
        pytest.param([{"headers": {"end-user": {"exact": "jason"}}}], "end-user is jason", id="header"),
        pytest.param([{"headers": {"x": {}}}], "x is there", id="present"),
        pytest.param([{"uri": {"prefix": "/api"}}], "path begins with /api", id="path"),
        pytest.param([{"method": {"regex": "P.*"}}], "method matches P.*", id="regex"),
        pytest.param([{"queryParams": {"q": {"exact": "1"}}}], "query q is 1", id="query"),
        pytest.param([{"withoutHeaders": {"x": {"exact": "1"}}}], "not x is 1", id="absent"),
        pytest.param([{"uri": {"exact": "/a"}, "headers": {"x": {"exact": "1"}}}], "path is /a and x is 1", id="both"),
        pytest.param([{"uri": {"exact": "/a"}}, {"uri": {"exact": "/b"}}], "path is /a or path is /b", id="either"),
        pytest.param([{"sourceNamespace": "test"}], "sourceNamespace test", id="source"),
    ],
)
def test_a_condition_reads_as_a_sentence(match, when):
    assert sentences(rule(match, V2)) == [f"{when} → v2"]


def test_several_destinations_have_their_weights():
    v1 = {"destination": {"host": "reviews"}, "weight": 90}
    assert sentences(rule([{"port": 80}], v1, {**V2, "weight": 10})) == ["port 80 → reviews 90 %, v2 10 %"]


def test_a_rule_may_redirect_or_answer():
    match = [{"uri": {"exact": "/a"}}]
    assert sentences(
        {"match": match, "redirect": {"uri": "/b"}}, {"match": match, "directResponse": {"status": 404}}
    ) == [
        "path is /a → a redirect",
        "path is /a → an answer of the proxy's own",
    ]


def test_rules_without_a_condition_are_the_weights():
    assert sentences({"route": [V2]}) == []


@pytest.mark.parametrize("text", ["", "{}", "spec: null", "spec: {http: null}"])
def test_an_object_without_rules_has_no_sentences(text):
    assert rules.sentences(text) == []
