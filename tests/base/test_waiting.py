"""Waiting ends with the value, or with what was last seen."""

import itertools

import pytest

from labkit.base import errors, waiting


def test_the_first_truthy_value_is_returned():
    seen = iter([0, "", "ready"])
    assert waiting.until(lambda: next(seen), what="it", timeout=5, next_step="-", every=0) == "ready"


def test_a_passed_deadline_names_the_thing_what_was_seen_and_the_next_step():
    counter = itertools.count()
    with pytest.raises(errors.NotReadyError) as caught:
        waiting.until(
            lambda: next(counter) < 0,
            what="Deployment web",
            timeout=0,
            next_step="kubectl describe deployment web",
            show=lambda _: "0 of 2 pods ready",
        )
    text = str(caught.value)
    assert "Deployment web was not ready" in text
    assert "Last seen: 0 of 2 pods ready" in text
    assert "Next: kubectl describe deployment web" in text
