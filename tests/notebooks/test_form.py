"""The committed form of notebooks, on ones made by hand and on those of the course."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools import notebooks

NAVIGATION = "[Contents](00-start-here.ipynb)"


def code(**given):
    return {"cell_type": "code", "id": "a", "metadata": {}, "source": "1", "outputs": [], "execution_count": 7, **given}


def result(**data):
    return {"output_type": "execute_result", "execution_count": 7, "metadata": {}, "data": data}


def normal(*cells, **more):
    notebook = notebooks.normalise({"cells": list(cells), **more}, navigation=NAVIGATION, contents="|table|")
    again = notebooks.normalise(notebook, navigation=NAVIGATION, contents="|table|")
    assert again == notebook
    return notebook


def test_a_lesson_is_in_committed_form(lesson):
    every = notebooks.paths()
    notebook = notebooks.normalise(
        notebooks.read(lesson.path),
        navigation=notebooks.navigation(lesson.path, every),
        contents=notebooks.contents(every),
    )
    assert notebooks.dumped(notebook) == lesson.path.read_text(), "python -m tools.notebooks"


def test_outputs_go_and_counts_with_them():
    (_, cell, _) = normal(code(outputs=[result(**{"text/plain": "1"})]))["cells"]
    assert (cell["outputs"], cell["execution_count"]) == ([], None)


def test_a_checked_cell_keeps_its_text_with_count_one():
    tagged = {"tags": [notebooks.CHECKED], "collapsed": True, "execution": {"iopub.status.busy": "now"}}
    (_, cell, _) = normal(code(metadata=tagged, outputs=[result(**{"text/plain": "1"})]))["cells"]
    assert cell["metadata"] == {"tags": [notebooks.CHECKED]}
    assert cell["outputs"] == [
        {"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": {"text/plain": ["1"]}}
    ]
    assert cell["execution_count"] == 1


@pytest.mark.parametrize("kind", ["image/png", "application/vnd.jupyter.widget-view+json"])
def test_a_checked_cell_loses_what_differs_from_run_to_run(kind):
    shown = result(**{"text/plain": "1", kind: "x"})
    (_, cell, _) = normal(code(metadata={"tags": [notebooks.CHECKED]}, outputs=[shown]))["cells"]
    assert list(cell["outputs"][0]["data"]) == ["text/plain"]


def test_metadata_of_widgets_and_of_the_machine_goes():
    notebook = normal(code(), metadata={"widgets": {}, "language_info": {"version": "3.11.9"}})
    assert notebook["metadata"] == notebooks.METADATA


def test_navigation_is_first_and_last_and_never_doubled():
    once = normal(code())
    assert [cell["id"] for cell in once["cells"]] == [notebooks.TOP, "a", notebooks.BOTTOM]


def test_the_table_of_contents_is_filled_in():
    notebook = normal({"cell_type": "markdown", "id": notebooks.CONTENTS, "metadata": {}, "source": "old"})
    assert notebook["cells"][1]["source"] == ["|table|"]


def test_the_text_is_stable_and_ends_in_a_line_end():
    text = notebooks.dumped(normal(code(source="é\n1")))
    assert text.endswith("}\n")
    assert "é" in text
    assert text.startswith('{\n "cells"')


def test_check_names_what_is_not_in_form_and_changes_nothing(tmp_path):
    title = {"cell_type": "markdown", "id": "title", "metadata": {}, "source": "# 00 · Here\n\nNow you can go.\n\nx"}
    tool, path = tmp_path / "tools" / "notebooks.py", tmp_path / "notebooks" / "00-here.ipynb"
    for file, text in ((tool, Path(notebooks.__file__).read_text()), (path, json.dumps({"cells": [title]}))):
        file.parent.mkdir()
        file.write_text(text)

    def run(*words):
        return subprocess.run([sys.executable, tool, *words], capture_output=True, text=True, check=False)

    before = path.read_text()
    ran = run("--check")
    assert (ran.returncode, path.read_text()) == (1, before)
    assert "00-here.ipynb" in ran.stdout
    assert [run().returncode, run("--check").returncode] == [0, 0]


def test_neighbours_are_linked():
    first, second, third = (notebooks.FOLDER / name for name in ("00-a.ipynb", "05-b.ipynb", "07-c.ipynb"))
    every = [first, second, third]
    assert notebooks.navigation(first, every) == "[Contents](00-a.ipynb) · [05 →](05-b.ipynb)"
    assert notebooks.navigation(second, every) == "[← 00](00-a.ipynb) · [Contents](00-a.ipynb) · [07 →](07-c.ipynb)"
