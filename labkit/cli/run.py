"""``./lab run 07``: one notebook, executed headless against the running lab."""

import argparse
import asyncio
import uuid
from pathlib import Path
from typing import Any

from labkit.base import choice, errors, settings
from labkit.cli import jupyter, progress

CELL_TIMEOUT = 120
"""Seconds for one cell on a sandbox; the slowest of the course takes about ten."""

CELL_TIMEOUT_ELSEWHERE = 600
"""On other clusters: images are pulled, and what waits for one says after two minutes what is amiss."""


def options(parser: argparse.ArgumentParser) -> None:
    """The options of ``run``."""
    parser.add_argument("notebooks", nargs="+", help="numbers (07) or paths")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="keep the executed notebooks there")


def run(arguments: argparse.Namespace) -> int:
    """Execute each; 0 when every cell ran. NotebookError names the first cell that failed and why."""
    steps = progress.Progress()
    chosen = choice.current()
    if chosen.kubeconfig:
        print(f"  on {chosen}")
    for word in arguments.notebooks:
        path = find(word)
        with steps.step(path.name):
            executed, problem = execute(path)
            if arguments.save:
                _save(executed, arguments.save / path.name)
            if problem:
                raise NotebookError(problem)
    return 0


class NotebookError(errors.LabError):
    """A notebook did not run to its end; the text names the cell."""


def find(word: str) -> Path:
    """The notebook of a number (``7`` or ``07``) or a path."""
    lessons = sorted((settings.CHECKOUT / "notebooks").glob("[0-9]*.ipynb"))
    given = Path(word)
    if given.suffix == ".ipynb":
        matching = [given] if given.is_file() else []
    else:
        matching = [lesson for lesson in lessons if lesson.name.partition("-")[0] == word.zfill(2)]
    if not matching:
        numbers = ", ".join(lesson.name.partition("-")[0] for lesson in lessons)
        raise errors.SetupError(f"There is no notebook {word!r}.", next_step=f"choose one of {numbers}")
    return matching[0]


def execute(path: Path) -> tuple[Any, str]:
    """The executed notebook, and what to tell about the cell that failed (empty when none did)."""
    import nbformat
    from nbclient import exceptions

    notebook = nbformat.read(path, as_version=4)
    client = _client(notebook, path.parent)
    try:
        asyncio.run(client.async_execute())
    except exceptions.CellExecutionError as e:
        return notebook, _failure(notebook, path, e)
    except exceptions.CellTimeoutError as e:
        return notebook, f"{path.name}: a cell took longer than {client.timeout} s.\n{e}"
    return notebook, ""


def _client(notebook: Any, folder: Path) -> Any:
    """An nbclient whose mimic of the Output widget does not lose the reply it is waiting for.

    Sending on the shell channel consumes the socket's edge-triggered event, so a reply that arrived
    meanwhile stays unread until the next poll (nbclient issue 312); asking for the rest cures it.
    """
    import os

    from nbclient import NotebookClient
    from nbclient.output_widget import OutputWidget

    class Output(OutputWidget):
        def _publish_msg(self, *args: Any, **keywords: Any) -> None:
            super()._publish_msg(*args, **keywords)
            channel = self.kernel_client.shell_channel.socket
            if hasattr(channel, "_schedule_remaining_events"):
                channel._schedule_remaining_events()

    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT if choice.current().kubeconfig is None else CELL_TIMEOUT_ELSEWHERE,
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=[],
    )
    client.widget_registry["@jupyter-widgets/output"]["OutputModel"] = Output
    paths = settings.Paths()
    (paths.home / "jupyter" / "ipython").mkdir(mode=0o700, parents=True, exist_ok=True)  # IPython warns without it
    os.environ.update(jupyter.environment(paths))
    client.km = _kernel(jupyter.runtime(paths))
    return client


def _kernel(folder: Path) -> Any:
    """A kernel that talks over sockets in a private folder, as under JupyterLab: TCP ones are open to every user."""
    from jupyter_client.manager import AsyncKernelManager

    file = folder / f"kernel-{uuid.uuid4()}.json"
    return AsyncKernelManager(kernel_name="python3", transport="ipc", connection_file=str(file))


def _failure(notebook: Any, path: Path, error: Any) -> str:
    ran = [n for n, cell in enumerate(notebook.cells) if cell.cell_type == "code" and cell.get("outputs")]
    number = next((n for n in ran if _failed(notebook.cells[n])), ran[-1] if ran else 0)
    source = "\n".join(f"    {line}" for line in notebook.cells[number].source.splitlines())
    return (
        f"{path.name}: cell {number + 1} of {len(notebook.cells)} failed.\n{source}\n"
        f"{error.ename}: {error.evalue}\nNext: open it with ./lab up and run the cells up to there"
    )


def _failed(cell: Any) -> bool:
    return any(output.output_type == "error" for output in cell.outputs)


def _save(notebook: Any, path: Path) -> None:
    import nbformat

    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
