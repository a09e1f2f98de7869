"""How facts are judged and shown, without a cluster; tests/acceptance measures them."""

import pytest

from labkit.base import errors
from labkit.conformance.facts import running, table
from labkit.conformance.facts.fact import Checks, Fact, Outcome
from labkit.conformance.facts.ground import OWN
from labkit.kube import manifests


def fact(number=9, needs="", measure=lambda ground, checks: None):
    return Fact(number=number, sentence="A tenth goes to v2.", asked="v2 10 %", measure=measure, needs=needs)


class Nowhere:
    """A ground without a cluster."""

    class cluster:
        capabilities = frozenset({"routing"})


def refuses(ground, checks):
    raise errors.SetupError("There is no gateway.", next_step="make one")


@pytest.mark.parametrize(
    ("measure", "verdict"),
    [
        (lambda ground, checks: checks.equal("status", 200, 200), "true"),
        (lambda ground, checks: checks.equal("status", 503, 200), "false"),
        (lambda ground, checks: None, "false"),
        (refuses, "false"),
    ],
    ids=["as asked", "otherwise", "nothing observed", "not measurable"],
)
def test_verdicts(measure, verdict):
    assert running.outcome(Nowhere(), fact(measure=measure)).verdict == verdict


def test_a_fact_that_needs_what_a_cluster_lacks_is_skipped_with_the_reason():
    outcome = running.outcome(Nowhere(), fact(needs="ambient", measure=refuses))
    assert (outcome.verdict, outcome.observed) == ("skipped", "this cluster has no ambient")


def test_what_is_not_as_asked_stands_out():
    checks = Checks()
    checks.equal("page", 200, 200)
    checks.equal("API", 503, 200)
    assert repr(checks) == "page 200; NOT API 503, asked 200"


@pytest.mark.parametrize(("seconds", "holds"), [(5.9, False), (5.999, True), (6.9, True), (7.0, False)])
def test_a_time_lies_between_two_timers(seconds, holds):
    checks = Checks()
    checks.between("page", seconds, 6.0, 7.0)
    assert checks.hold == holds


def test_a_share_is_judged_by_the_exact_band():
    checks = Checks()
    checks.split({"v1": 540, "v2": 60}, {"v1": 90, "v2": 10})
    assert checks.hold
    checks.split({"v1": 480, "v2": 120}, {"v1": 90, "v2": 10})
    assert not checks.hold


def test_facts_have_their_numbers():
    assert [fact.number for fact in running.FACTS] == [*range(1, 38)]


def test_a_number_that_is_none_names_those_there_are():
    with pytest.raises(errors.SetupError, match="choose from 1, 2"):
        running.chosen([99])


def test_a_folder_without_samples_is_refused(tmp_path):
    with pytest.raises(errors.SetupError, match="--samples"):
        running.samples(tmp_path)


def test_every_manifest_of_ours_is_one():
    assert all(manifests.read(path) for path in OWN.glob("*.yaml"))


def test_rows_keep_the_columns_and_the_last_line_counts():
    outcomes = [
        Outcome(fact=fact(), verdict="true", observed="v2 61 (31–89); " * 9, seconds=2.0),
        Outcome(fact=fact(10), verdict="skipped", observed="this cluster has no ambient", seconds=0.0),
    ]
    lines = table.row(outcomes[0]).splitlines()
    assert len(lines) > 1
    assert all(len(line) <= sum(table.WIDTHS) for line in lines)
    assert lines[0].startswith("9   A tenth goes to v2.")
    assert lines[0].endswith("true in 2.0 s")
    assert table.foot(outcomes) == "1/2 true, 1 skipped"
