"""Steps as they happen."""

import io
import re

import pytest

from labkit.views import steps


def printed(out):
    return re.findall(r"✓ (.*?)\s+[\d.]+ s\n", out.getvalue())


def test_each_step_is_printed_when_the_next_one_begins():
    out = io.StringIO()
    step = steps.Steps(out)
    step("istiod")
    assert printed(out) == []
    step("gateway")
    assert printed(out) == ["istiod"]


def test_the_last_one_is_printed_at_the_end():
    out = io.StringIO()
    with steps.Steps(out) as step:
        step("istiod")
    assert printed(out) == ["istiod"]


def test_a_step_that_fails_is_not_called_done():
    out = io.StringIO()
    with pytest.raises(ValueError, match="no"), steps.Steps(out) as step:
        step("istiod")
        raise ValueError("no")
    assert printed(out) == []


def test_a_program_prints_nothing(capsys):
    with steps.Steps() as step:
        step("istiod")
    assert capsys.readouterr().out == ""
