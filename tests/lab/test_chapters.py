"""Lessons as data."""

import pytest

from labkit.lab import chapters, needs, preparation


def test_a_number_may_be_written_short():
    assert chapters.chapter("7") is chapters.chapter("07")


def test_an_unknown_lesson_lists_those_there_are():
    with pytest.raises(chapters.UnknownChapterError, match=r"'77'.\nKnown: 00 \(Start here\)"):
        chapters.chapter("77")


@pytest.mark.parametrize("number", chapters.CHAPTERS)
def test_every_manifest_of_a_lesson_is_there(number):
    missing = [m for m in chapters.CHAPTERS[number].manifests if not (preparation.MANIFESTS / m).exists()]
    assert missing == []


@pytest.mark.parametrize("number", chapters.CHAPTERS)
def test_a_lesson_says_that_it_uses_the_gateway_api_where_its_manifests_do(number):
    uses = any(obj["apiVersion"].startswith("gateway.networking.k8s.io/") for obj in needs.objects(number))
    assert chapters.CHAPTERS[number].gateway_api == uses


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["virtualservice/reviews"], "virtualservice/reviews"),
        (["a", "b"], "a, b"),
        (["x" * 70, "b"], "x" * 70 + " and 1 more"),
        (["requestauthentication/lesson-13"] * 4, "requestauthentication/lesson-13 and 3 more"),
    ],
)
def test_a_line_of_progress_has_as_many_names_as_fit(names, text):
    assert preparation.listed(names) == text
