"""``./lab conformance``: which way it goes, and how it says no."""

import pytest

from labkit import cli
from labkit.conformance.facts import running


@pytest.fixture
def samples(tmp_path):
    (tmp_path / "bookinfo" / "networking").mkdir(parents=True)
    return str(tmp_path)


def test_without_samples_it_says_where_they_come_from(tmp_path, capsys):
    assert cli.main(["conformance", "--samples", str(tmp_path)]) == 1
    printed = capsys.readouterr().err
    assert f"no samples of Istio in {tmp_path}" in printed
    assert "Next: unpack samples/ of an Istio release" in printed


def test_a_fact_that_is_none_names_those_there_are(samples, capsys):
    assert cli.main(["conformance", "--samples", samples, "--fact", "99"]) == 1
    assert "Next: choose from 1, 2, 3" in capsys.readouterr().err


def test_a_kubeconfig_that_is_not_there_is_one_sentence(samples, capsys):
    assert cli.main(["conformance", "--samples", samples, "--kubeconfig", f"{samples}/none"]) == 1
    assert capsys.readouterr().err.startswith("There is no kubeconfig")


def test_with_answers_it_compares(tmp_path, capsys):
    assert cli.main(["conformance", "--answers", str(tmp_path)]) == 1
    assert "xds/index.tsv is missing" in capsys.readouterr().err


def test_facts_may_be_chosen():
    assert [fact.number for fact in running.chosen([34, 9])] == [9, 34]


def test_without_a_folder_the_samples_are_asked_for(capsys):
    assert cli.main(["conformance"]) == 1
    assert "Next: unpack samples/ of an Istio release" in capsys.readouterr().err
