"""What people type wrong: it is said in words, and what ran goes on."""

import pytest

from labkit.traffic import judge
from tests.acceptance.conftest import REVIEWS

pytestmark = pytest.mark.sandbox

RULE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http: %s
"""


def rule(http):
    return RULE % http


@pytest.fixture
def subsets(bookinfo):
    """destination-rule-all, and nothing of it afterwards."""
    bookinfo.kubectl("apply", "-f", str(bookinfo.networking / "destination-rule-all.yaml"))
    yield bookinfo
    bookinfo.forget_rules()


def test_yaml_that_does_not_parse_is_refused_with_the_line(bookinfo):
    printed = bookinfo.kubectl("apply", "-f", "-", stdin="kind: VirtualService\n  metadata: {name: x\n", fails=True)
    assert "error parsing" in printed
    assert "line 2" in printed


def test_an_unknown_field_is_named_and_nothing_is_stored(subsets):
    text = rule("[{rout: [{destination: {host: reviews, subset: v1}}]}]")
    printed = subsets.kubectl("apply", "-f", "-", stdin=text, fails=True)
    assert 'unknown field "spec.http[0].rout"' in printed
    assert "not found" in subsets.kubectl("get", "virtualservice", "reviews", fails=True)


def test_a_value_of_the_wrong_kind_is_named(subsets):
    text = rule("[{route: [{destination: {host: reviews, subset: v1}, weight: many}]}]")
    printed = subsets.kubectl("apply", "-f", "-", stdin=text, fails=True)
    assert "weight" in printed
    assert "integer" in printed


def test_a_refused_change_leaves_the_last_good_one(subsets):
    subsets.kubectl("apply", "-f", "-", stdin=rule("[{route: [{destination: {host: reviews, subset: v3}}]}]"))
    subsets.until_only({"v3"})
    printed = subsets.kubectl(
        "apply", "-f", "-", stdin=rule("[{timeout: soon, route: [{destination: {host: x}}]}]"), fails=True
    )
    assert "spec.http[0].timeout" in printed
    assert set(subsets.send(50, REVIEWS)["version"]) == {"v3"}


def test_a_subset_that_does_not_exist_gives_503_and_the_page_says_what_is_missing(subsets):
    subsets.kubectl("apply", "-f", "-", stdin=rule("[{route: [{destination: {host: reviews, subset: v9}}]}]"))
    subsets.until_status(503)
    page = subsets.page()
    assert page.status == 200
    assert "Error fetching product reviews" in page.text
    assert "Error fetching product details" not in page.text


@pytest.mark.parametrize(("weights", "asked"), [((3, 1), {"v1": 3, "v3": 1}), ((150, 50), {"v1": 3, "v3": 1})], ids=str)
def test_weights_that_do_not_sum_to_a_hundred_are_parts_of_their_sum(subsets, weights, asked):
    routes = ", ".join(
        f"{{destination: {{host: reviews, subset: {version}}}, weight: {weight}}}"
        for version, weight in zip(asked, weights, strict=True)
    )
    subsets.kubectl("apply", "-f", "-", stdin=rule(f"[{{route: [{routes}]}}]"))
    subsets.until_only(asked)
    result = subsets.send(600, REVIEWS)["version"].value_counts().to_dict()
    assert judge.split(result, asked).agrees
