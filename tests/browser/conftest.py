"""One JupyterLab for all browser tests, on the run's own sandbox and a copy of the notebooks."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from labkit.base import settings
from labkit.kube import resources
from tools import jupyterlab

Open = Callable[..., jupyterlab.Notebook]


@pytest.fixture(scope="session")
def chromium_there() -> None:
    """Continuous integration promises a browser; elsewhere its absence is reported."""
    if jupyterlab.browser_program() is None:
        said = f"no browser: none of {', '.join(jupyterlab.BROWSERS)} is on the PATH"
        if os.environ.get("CI"):
            pytest.fail(said)
        pytest.skip(said)


@pytest.fixture(scope="session")
def server(chromium_there, sandbox, tmp_path_factory) -> Iterator[tuple[tuple[str, str], Path]]:
    """JupyterLab as the product starts it, and the folder it shows."""
    root = tmp_path_factory.mktemp("course")
    shutil.copytree(settings.CHECKOUT / "notebooks", root, dirs_exist_ok=True)
    with jupyterlab.serving(sandbox.paths, root) as address:
        yield address, root


# A module's, not the session's: while playwright lives, its event loop counts as this thread's running one.
@pytest.fixture(scope="module")
def chromium(chromium_there) -> Iterator[Any]:
    """A headless Chromium."""
    with jupyterlab.chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def tidy(sandbox) -> Iterator[None]:
    """Takes the rules away that a notebook leaves; the run's other tests share the sandbox."""
    yield
    for kind in (resources.VIRTUAL_SERVICES, resources.DESTINATION_RULES):
        for name in ("productpage", "reviews", "ratings", "details"):
            sandbox.client.delete(kind, name, "default")


@pytest.fixture(scope="module")
def open_notebook(server, chromium, tidy) -> Iterator[Open]:
    """``open_notebook("07-split-traffic.ipynb")``, or ``open_notebook(cells=[…])`` for one of the test's own."""
    address, root = server
    opened: list[jupyterlab.Notebook] = []

    def run(name: str = "", *, cells: tuple[str, ...] = ()) -> jupyterlab.Notebook:
        if cells:
            name = f"own-{len(list(root.glob('own-*')))}.ipynb"
            jupyterlab.write(root / name, *cells)
        page = chromium.new_page(viewport={"width": 1400, "height": 1000})
        opened.append(jupyterlab.Notebook(page, address, name))
        return opened[-1]

    yield run
    for notebook in opened:
        notebook.close()
