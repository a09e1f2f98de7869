"""The committed form of notebooks: ``python -m tools.notebooks`` rewrites them, ``--check`` only reports.

Outputs stay only in cells tagged ``nbval-check-output``, whose text nbval compares; their execution count is 1,
since nbval fails cells that have outputs and no count. To record them anew, execute and normalise:
``./lab run 07 --save notebooks && python -m tools.notebooks``.
"""

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
CHECKED = "nbval-check-output"
TOP, BOTTOM, CONTENTS = "navigation-top", "navigation-bottom", "contents"
"""Ids of the cells that are generated."""

UNSTABLE = re.compile(r"image/|application/vnd\.jupyter\.widget")
"""Kinds of output that differ from run to run, and that nbval does not compare anyway."""

METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}

Notebook = Mapping[str, Any]


def paths() -> list[Path]:
    """Every lesson, in course order."""
    return sorted(FOLDER.glob("[0-9][0-9]-*.ipynb"))


def read(path: Path) -> dict[str, Any]:
    """A notebook as parsed JSON."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def text_of(cell: Mapping[str, Any]) -> str:
    """A cell's source as one text, whichever of the two ways it is stored."""
    return "".join(cell["source"])


def dumped(notebook: Notebook) -> str:
    """The file's text."""
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def normalise(notebook: Notebook, *, navigation: str, contents: str) -> dict[str, Any]:
    """The notebook in committed form; doing it again changes nothing."""
    own = [cell for cell in notebook["cells"] if cell.get("id") not in (TOP, BOTTOM)]
    cells = [_markdown(TOP, navigation), *own, _markdown(BOTTOM, navigation)]
    return {
        "cells": [_cell(_markdown(CONTENTS, contents) if cell.get("id") == CONTENTS else cell) for cell in cells],
        "metadata": METADATA,
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _markdown(id: str, text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": id, "metadata": {}, "source": text}


def _cell(cell: Mapping[str, Any]) -> dict[str, Any]:
    tags = sorted(cell["metadata"].get("tags", []))
    found = {
        "cell_type": cell["cell_type"],
        "id": cell["id"],
        "metadata": {"tags": tags} if tags else {},
        "source": text_of(cell).strip("\n").splitlines(keepends=True),
    }
    if cell["cell_type"] == "code":
        outputs = [_output(output) for output in cell.get("outputs", [])] if CHECKED in tags else []
        found |= {"outputs": outputs, "execution_count": 1 if outputs else None}
    return found


def _output(output: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(output)
    if "execution_count" in found:
        found["execution_count"] = 1
    if "data" in found:
        found["data"] = {kind: _lines(data) for kind, data in found["data"].items() if not UNSTABLE.match(kind)}
        found["metadata"] = {}
    return found


def _lines(data: Any) -> Any:
    return "".join(data).splitlines(keepends=True) if isinstance(data, str | list) else data


def navigation(path: Path, all_paths: Sequence[Path]) -> str:
    """``← 06 · Contents · 08 →``, as links to the notebooks beside this one."""
    here = [p.name for p in all_paths].index(path.name)
    before = [f"[← {p.name[:2]}]({p.name})" for p in all_paths[:here][-1:]]
    after = [f"[{p.name[:2]} →]({p.name})" for p in all_paths[here + 1 :][:1]]
    return " · ".join([*before, f"[Contents]({all_paths[0].name})", *after])


def contents(all_paths: Sequence[Path]) -> str:
    """The course as a table, from each lesson's title cell."""
    rows = []
    for path in all_paths:
        title = next(text_of(cell) for cell in read(path)["cells"] if text_of(cell).startswith("# "))
        heading, promise, *_ = title.split("\n\n")
        number, name = heading.removeprefix("# ").split(" · ")
        can = promise.partition("you can ")[2].rstrip(".").replace("\n", " ")
        rows.append(f"| {number} | [{name}]({path.name}) | {can} |")
    return "\n".join(["| | lesson | after it you can |", "|---|---|---|", *rows])


def main(words: Sequence[str] | None = None) -> int:
    """Rewrite, or report; 1 when ``--check`` found one that is not in committed form."""
    parser = argparse.ArgumentParser(prog="python -m tools.notebooks", description="The committed form of notebooks.")
    parser.add_argument("--check", action="store_true", help="change nothing, name what would change")
    arguments = parser.parse_args(words)
    all_paths, found = paths(), []
    table = contents(all_paths)
    for path in all_paths:
        text = dumped(normalise(read(path), navigation=navigation(path, all_paths), contents=table))
        if text != path.read_text():
            found.append(path.name)
            if not arguments.check:
                path.write_text(text)
    for name in found:
        print(f"{name}: {'is not in committed form; python -m tools.notebooks' if arguments.check else 'rewritten'}")
    return 1 if found and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
