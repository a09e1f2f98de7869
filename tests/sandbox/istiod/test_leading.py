"""Two control planes: what each reads, and which of them writes."""

import pytest

from labkit.mesh import revisions
from labkit.sandbox.istiod import leading

DEFAULT, CANARY = revisions.Revision(), revisions.Revision(name="canary")
RULES = "virtualservices.networking.istio.io"


def rule(name, **labels):
    return {"kind": "VirtualService", "metadata": {"name": name, "labels": labels}}


def istiod(revision, **metadata):
    labels = {"app": "istiod", "istio.io/rev": revision}
    return {
        "metadata": {"name": revision, "namespace": "istio-system", "labels": labels, **metadata},
        "status": {"phase": "Running"},
    }


@pytest.mark.parametrize(("revision", "read"), [(DEFAULT, ["all", "old"]), (CANARY, ["all", "new"])], ids=str)
def test_an_object_that_names_a_revision_is_for_that_one_alone(revision, read):
    rules = [rule("all"), rule("old", **{"istio.io/rev": "default"}), rule("new", **{"istio.io/rev": "canary"})]
    scoped = leading.Scope(revision).of({RULES: rules, "pods": rules})
    assert [o["metadata"]["name"] for o in scoped[RULES]] == read
    assert scoped["pods"] is rules


def test_a_list_without_other_revisions_stays_the_same_list():
    scope, rules = leading.Scope(CANARY), [rule("all")]
    assert scope.of({RULES: rules})[RULES] is rules
    mixed = [rule("all"), rule("old", **{"istio.io/rev": "default"})]
    assert scope.of({RULES: mixed})[RULES] is scope.of({RULES: mixed})[RULES]


@pytest.mark.parametrize(
    ("revision", "pods", "leads"),
    [
        pytest.param(DEFAULT, [istiod("default"), istiod("canary")], True, id="the default one"),
        pytest.param(CANARY, [istiod("default"), istiod("canary")], False, id="another beside it"),
        pytest.param(CANARY, [istiod("canary")], True, id="the only one"),
        pytest.param(CANARY, [istiod("default", deletionTimestamp="now"), istiod("canary")], True, id="default goes"),
        pytest.param(revisions.Revision(name="b"), [istiod("a"), istiod("b")], False, id="the second by name"),
    ],
)
def test_one_of_them_writes_statuses(revision, pods, leads):
    assert leading.leads(revision, pods) == leads
