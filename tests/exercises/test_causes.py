"""A filed cause is judged by its three parts, however they are written, and by no word beside them."""

import pytest

from labkit.exercises import causes

FIELDS, EFFECTS = ("http.route.destination.subset",), ("no-cluster",)


def problem(answer):
    return causes.problem(causes.parse(answer), fields=FIELDS, effects=EFFECTS, form="…")


@pytest.mark.parametrize(
    "answer",
    [
        {
            "object": "virtualservice/reviews",
            "field": "spec.http[0].route[0].destination.subset",
            "effect": "no-cluster",
        },
        {"object": "virtualservice/reviews", "field": "subset", "effect": "No-Cluster"},
        {"object": "vs/reviews", "field": "http.0.route.0.destination.subset", "effect": "no-cluster"},
        "virtualservice/reviews spec.http[0].route[0].destination.subset no-cluster",
        "virtualservice/reviews: no-cluster, because of spec.http[0].route[0].destination.subset",
        "virtualservice/reviews spec.http.route.destination.subset no-cluster: nothing is called like that",
    ],
    ids=["in full", "the end of the field", "numbers with dots", "as a text", "in another order", "other words beside"],
)
def test_the_three_parts_count_in_any_form(answer):
    assert problem(answer) == ""


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("virtualservice/reviews: subset v4 does not exist, no cluster", "field and effect"),
        ("virtualservice/reviews spec.http[0].route[0].destination.subset", "file its effect"),
        ({"object": "vs/reviews", "field": "spec.hosts", "effect": "no-cluster"}, "not where the mistake is"),
        ({"object": "vs/reviews", "field": "spec.hostsubset", "effect": "no-cluster"}, "not where the mistake is"),
        (
            {"object": "vs/reviews", "field": "subset", "effect": "no-endpoints"},
            "it is not so that the cluster is there",
        ),
        ({"object": "vs/reviews", "field": "subset", "effect": "broken"}, "no effect of the list"),
        ("", "field and effect"),
    ],
    ids=[
        "keywords alone",
        "no effect",
        "another field",
        "a longer word",
        "another effect",
        "a word of one's own",
        "nothing",
    ],
)
def test_anything_else_is_told_what_is_missing_or_wrong(answer, says):
    assert says in problem(answer)


def test_every_effect_is_one_word_and_a_sentence():
    assert all(word == word.lower() and " " not in word and " " in text for word, text in causes.EFFECTS.items())
