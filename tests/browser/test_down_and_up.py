"""``./lab down`` and ``./lab up`` with a notebook open: its tab goes on, and nothing in it is lost."""

import json

import pytest

from labkit.cli import down, jupyter

pytestmark = pytest.mark.browser

WITHIN = 60_000.0
"""Milliseconds to wait for what follows a click."""


def test_a_tab_outlives_down_and_up_and_saves_and_runs(open_notebook, server, sandbox):
    _, root = server
    notebook = open_notebook(cells=("answer = 41", "answer + 1"))
    page = notebook.page
    notebook.run_all()

    jupyter.stop(sandbox.paths)
    opened = {entry["path"]: entry["unsaved"] for entry in jupyter.open_notebooks(sandbox.paths)}
    (name,) = opened
    assert opened[name] and f"{name}  NOT SAVED" in down.open_tabs(jupyter.open_notebooks(sandbox.paths))

    # A tab that asked for something meanwhile says that the server did not answer; one that did not says nothing.
    no_answer = page.get_by_text("Server Connection Error")
    page.add_locator_handler(no_answer, lambda: page.get_by_role("button", name="Close", exact=True).click())
    jupyter.start(sandbox.paths, root=root)
    no_kernel = page.get_by_role("button", name="No Kernel", exact=True)
    no_kernel.wait_for(timeout=WITHIN)
    with page.expect_response(lambda reply: "/api/contents/" in reply.url and reply.request.method == "PUT") as saved:
        page.keyboard.press("Control+s")
    assert saved.value.ok
    (output,) = json.loads((root / name).read_text())["cells"][1]["outputs"]
    assert "".join(output["data"]["text/plain"]) == "42"

    no_kernel.click()
    page.get_by_role("dialog").get_by_role("button", name="Select", exact=False).last.click()
    notebook.until_idle()
    notebook.run_all()
