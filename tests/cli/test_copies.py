"""Working copies: untouched ones follow the lessons, touched ones stay, nothing is lost."""

import json

import pytest

from labkit.cli import copies

EDITION = copies.Edition(source="old", copy="as written", text="cells")


@pytest.mark.parametrize(
    ("edition", "source", "copy", "text", "action"),
    [
        pytest.param(None, "new", None, None, "copy", id="no copy yet"),
        pytest.param(EDITION, "old", None, None, "copy", id="deleted by the learner"),
        pytest.param(None, "new", "own", "own", "keep", id="a file of the learner's own with that name"),
        pytest.param(EDITION, "old", "changed", "changed", "keep", id="touched, no new edition"),
        pytest.param(EDITION, "new", "as written", "cells", "update", id="untouched"),
        pytest.param(EDITION, "new", "changed", "cells", "replace", id="only run"),
        pytest.param(EDITION, "new", "changed", "changed", "offer", id="written in"),
    ],
)
def test_what_happens_to_a_copy(edition, source, copy, text, action):
    assert copies.decide(edition, source=source, copy=copy, text=text) == action


def notebook(source, *, outputs=()):
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": [source], "outputs": list(outputs)}
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def course(tmp_path):
    """A lesson and a manifest, copied once."""
    lessons, work = tmp_path / "notebooks", tmp_path / "work"
    (lessons / "manifests").mkdir(parents=True)
    (lessons / "07-split.ipynb").write_text(notebook("first edition"))
    (lessons / "manifests" / "hello.yaml").write_text("# first\n")
    copies.refresh(lessons, work)
    return lessons, work


def text(path):
    return json.loads(path.read_text())["cells"][0]["source"][0]


def test_a_copy_holds_the_lesson_and_what_jupyterlab_would_add(course):
    _, work = course
    assert text(work / "07-split.ipynb") == "first edition"
    assert json.loads((work / "07-split.ipynb").read_text())["metadata"]["language_info"]["name"] == "python"
    assert (work / "manifests" / "hello.yaml").read_text() == "# first\n"


def test_untouched_copies_follow(course):
    lessons, work = course
    (lessons / "07-split.ipynb").write_text(notebook("second edition"))
    (lessons / "manifests" / "hello.yaml").write_text("# second\n")
    assert copies.refresh(lessons, work) == []
    assert text(work / "07-split.ipynb") == "second edition"
    assert (work / "manifests" / "hello.yaml").read_text() == "# second\n"


def test_a_copy_with_words_of_the_learner_stays_and_the_new_edition_lies_beside_it_once(course):
    lessons, work = course
    (work / "07-split.ipynb").write_text(notebook("first edition, and mine"))
    (lessons / "07-split.ipynb").write_text(notebook("second edition"))
    (sentence,) = copies.refresh(lessons, work)
    assert "07-split-new.ipynb" in sentence and "kept" in sentence
    assert (text(work / "07-split.ipynb"), text(work / "07-split-new.ipynb")) == (
        "first edition, and mine",
        "second edition",
    )
    assert copies.refresh(lessons, work) == []


def test_a_copy_that_was_only_run_is_replaced_and_its_outputs_are_kept(course):
    lessons, work = course
    ran = notebook("first edition", outputs=[{"output_type": "stream", "name": "stdout", "text": "seen"}])
    (work / "07-split.ipynb").write_text(ran)
    (lessons / "07-split.ipynb").write_text(notebook("second edition"))
    copies.refresh(lessons, work)
    assert text(work / "07-split.ipynb") == "second edition"
    assert [path.read_text() for path in (work / "earlier").iterdir()] == [ran]


def test_with_a_damaged_record_every_copy_stays(course):
    lessons, work = course
    (work / copies.RECORD).write_text("{")
    (lessons / "07-split.ipynb").write_text(notebook("second edition"))
    copies.refresh(lessons, work)
    assert text(work / "07-split.ipynb") == "first edition"
