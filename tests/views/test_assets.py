"""What a page is handed for a view."""

from pathlib import Path

import pytest

from labkit.views import assets

FILES = sorted(Path(assets.__file__).parent.glob("*.js"))
VIEWS = [file.stem for file in FILES if "export default {" in file.read_text(encoding="utf-8")]


@pytest.mark.parametrize("name", VIEWS)
def test_every_view_takes_back_the_unsaved_mark_when_its_notebook_is_opened(name):
    text = assets.module(name)
    assert '"opening.js": ' in text
    assert "export default { initialize: opened, ...view.default }" in text


def test_every_import_of_a_module_comes_with_it():
    for name in VIEWS:
        text = assets.module(name)
        assert all(f'"{file}": ' in text for file in assets._IMPORT.findall(text.replace("\\", "")))


def test_a_view_without_a_kernel_has_no_broken_chain():
    assert ".jupyter-widgets-disconnected:has(.lk-view)::before { content: none; }" in assets.styles("split")
