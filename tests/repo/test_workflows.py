"""The public workflows: what they run is pinned, and what they type is what the kit has."""

import re
import shlex

import pytest
import yaml

from labkit import cli
from labkit.base import settings

WORKFLOWS = sorted((settings.CHECKOUT / ".github" / "workflows").glob("*.yml"))
TEXTS = [pytest.param(path.read_text(), id=path.stem) for path in WORKFLOWS]


def steps(text):
    return [step for job in yaml.safe_load(text)["jobs"].values() for step in job["steps"]]


def typed(text):
    """Every ``./lab`` command line, without what a shell fills in."""
    lines = [line.strip() for step in steps(text) for line in step.get("run", "").splitlines()]
    parts = [part.strip() for line in lines for part in re.split(r"&&|;|\|\|", line)]
    return [re.sub(r"\$\([^)]*\)", "00", part) for part in parts if part.startswith("./lab ")]


@pytest.mark.parametrize("text", TEXTS)
def test_actions_are_pinned_by_digest_with_their_version_beside(text):
    used = re.findall(r"uses: (\S+)(.*)", text)
    assert used
    assert [u for u in used if not (re.search(r"@[0-9a-f]{40}$", u[0]) and re.search(r"# v\d+\.\d+\.\d+", u[1]))] == []


@pytest.mark.parametrize("text", TEXTS)
def test_nothing_may_write_to_the_repository(text):
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}
    checkouts = [step for step in steps(text) if "checkout" in step.get("uses", "")]
    assert [step["with"]["persist-credentials"] for step in checkouts] == [False] * len(checkouts)


@pytest.mark.parametrize("text", TEXTS)
def test_each_command_and_option_of_the_kit_exists(text):
    lines = typed(text)
    assert lines
    for line in lines:
        words = shlex.split(line)[1:]
        if words != ["--help"]:
            cli.parser().parse_args(words)
