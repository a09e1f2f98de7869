"""Label selectors, as text and as objects."""

import pytest

from labkit.kube import status
from labkit.sandbox.apiserver import labels

WEB = {"app": "web", "size": "3"}


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("app=web", True),
        ("app==web", True),
        ("app!=web", False),
        ("app in (web,db)", True),
        ("app notin (web)", False),
        ("other notin (web)", True),
        ("app", True),
        ("!app", False),
        ("size>2", True),
        ("size<2", False),
        ("app=web,!other", True),
    ],
)
def test_a_selector_takes_or_leaves(text, fits):
    assert all(requirement.holds(WEB) for requirement in labels.parse(text)) is fits


@pytest.mark.parametrize("text", ["app in web", "=web", "app=,=", "a b"])
def test_a_selector_that_cannot_be_read_is_400(text):
    with pytest.raises(status.StatusError) as refused:
        labels.parse(text)
    assert refused.value.code == 400


def test_an_object_selector_is_written_as_a_query():
    expressions = [{"key": "tier", "operator": "In", "values": ["b", "a"]}, {"key": "old", "operator": "DoesNotExist"}]
    assert labels.text_of({"matchLabels": {"app": "web"}, "matchExpressions": expressions}) == (
        "app=web,!old,tier in (a,b)"
    )


@pytest.mark.parametrize(("selector", "fits"), [({}, True), (None, False)], ids=["empty takes all", "none, nothing"])
def test_an_empty_selector_is_not_no_selector(selector, fits):
    assert labels.matches(selector, WEB) is fits
