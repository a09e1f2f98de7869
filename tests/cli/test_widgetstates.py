"""A saved notebook keeps what its views showed last."""

import json
from types import SimpleNamespace

from labkit.cli import widgetstates


def notebook(*models, **expected):
    outputs = [{"data": {widgetstates.VIEW: {"model_id": model}}} for model in models]
    states = {name: {"state": state} for name, state in expected.items()}
    return {
        "cells": [{"cell_type": "code", "outputs": outputs}],
        "metadata": {"widgets": {widgetstates.STATE: {"state": states}}} if expected else {},
    }


def test_a_view_whose_kernel_has_ended_keeps_its_state():
    new = notebook("aa")
    widgetstates.complete(new, notebook("aa", aa={"rows": 3}))
    assert widgetstates.states(new) == {"aa": {"state": {"rows": 3}}}


def test_what_a_living_view_says_now_wins():
    new = notebook("aa", aa={"rows": 4})
    widgetstates.complete(new, notebook("aa", aa={"rows": 3}))
    assert widgetstates.states(new)["aa"] == {"state": {"rows": 4}}


def test_layouts_come_along_and_views_that_no_output_shows_do_not():
    new = notebook("aa", aa={"layout": "IPY_MODEL_bb"}, bb={}, cc={"layout": "IPY_MODEL_bb"})
    widgetstates.complete(new, {})
    assert sorted(widgetstates.states(new)) == ["aa", "bb"]


def test_a_view_that_nobody_knows_any_more_stays_as_its_static_form():
    new = notebook("aa")
    new["cells"][0]["outputs"][0]["data"]["text/html"] = "<b>3 rows</b>"
    widgetstates.complete(new, {})
    assert new["cells"][0]["outputs"][0]["data"] == {"text/html": "<b>3 rows</b>"}


def test_a_notebook_without_views_has_no_states():
    new = notebook(aa={})
    widgetstates.complete(new, {})
    assert "widgets" not in new["metadata"]


def test_the_hook_reads_the_file_as_it_was(tmp_path):
    (tmp_path / "a.ipynb").write_text(json.dumps(notebook("aa", aa={"rows": 3})))
    new = notebook("aa")
    manager = SimpleNamespace(root_dir=str(tmp_path))
    widgetstates.keep(model={"type": "notebook", "content": new}, path="a.ipynb", contents_manager=manager)
    assert widgetstates.states(new)["aa"] == {"state": {"rows": 3}}
