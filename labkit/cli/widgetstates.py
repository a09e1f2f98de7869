"""What views showed last stays in a saved notebook, also when their kernel has ended before the notebook was saved.

JupyterLab writes the state of live widgets alone; this hook of the Jupyter server takes the others from disk.
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
_REFERENCE = re.compile(r"IPY_MODEL_([0-9a-f]+)")

Notebook = dict[str, Any]
States = Mapping[str, Any]


def keep(*, model: Mapping[str, Any], path: str, contents_manager: Any, **_: Any) -> None:
    """``ContentsManager.pre_save_hook``: completes the notebook that is about to be written."""
    notebook = model.get("content")
    if model.get("type") == "notebook" and isinstance(notebook, dict):
        complete(notebook, _on_disk(Path(contents_manager.root_dir) / path))


def complete(notebook: Notebook, before: Mapping[str, Any]) -> None:
    """Give a notebook the states of all views that its outputs show, new ones first, and no others.

    A view without a state would be an error message when the notebook is opened again: its static form stays.
    """
    old, new = states(before), states(notebook)
    kept = dict(_needed([data[VIEW]["model_id"] for data in _bundles(notebook)], {**old, **new}))
    for data in _bundles(notebook):
        if data[VIEW]["model_id"] not in kept and "text/html" in data:
            del data[VIEW]
    metadata = notebook.setdefault("metadata", {})
    metadata.pop("widgets", None)
    if kept:
        metadata["widgets"] = {STATE: {"version_major": 2, "version_minor": 0, "state": kept}}


def states(notebook: Mapping[str, Any]) -> States:
    """The states that a notebook holds, by model."""
    widgets = (notebook.get("metadata") or {}).get("widgets") or {}
    by_model: States = (widgets.get(STATE) or {}).get("state") or {}
    return by_model


def _bundles(notebook: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The outputs that show a view, as they are stored: kind of text to text."""
    outputs = [output for cell in notebook.get("cells") or [] for output in cell.get("outputs") or []]
    bundles = [output["data"] for output in outputs if isinstance(output.get("data"), dict)]
    return [data for data in bundles if isinstance(data.get(VIEW), dict) and data[VIEW].get("model_id")]


def _needed(models: Iterable[str], by_model: States) -> Iterable[tuple[str, Any]]:
    """These models' states, and those of all that they refer to: layouts, styles, children."""
    waiting, done = list(models), set[str]()
    while waiting:
        name = waiting.pop()
        if name in by_model and name not in done:
            done.add(name)
            yield name, by_model[name]
            waiting += _REFERENCE.findall(json.dumps(by_model[name].get("state")))


def _on_disk(path: Path) -> Mapping[str, Any]:
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return notebook if isinstance(notebook, dict) else {}
