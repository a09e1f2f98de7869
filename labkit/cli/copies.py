"""A learner's copies of the lessons, in ``work/``: running a lesson never changes the checkout.

A copy that nobody touched follows the lesson. A copy in which something was written stays as it is: the new edition is
put beside it. A copy that was only run is replaced, and goes to ``work/earlier/`` first. Nothing is ever lost.
"""

import hashlib
import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from labkit.base import settings

FOLDER = settings.CHECKOUT / "work"
LESSONS = settings.CHECKOUT / "notebooks"
RECORD = ".copies.json"
EARLIER = "earlier"
"""The folder for copies that were replaced."""

Action = Literal["copy", "keep", "update", "replace", "offer"]


@dataclass(frozen=True, kw_only=True)
class Edition:
    """The edition of a lesson that a copy was made from."""

    source: str
    """Digest of the lesson's file."""

    copy: str
    """Digest of the copy as it was written."""

    text: str
    """Digest of what stands in its cells, without outputs."""


def decide(edition: Edition | None, *, source: str, copy: str | None, text: str | None) -> Action:
    """What to do with one file; ``copy`` and ``text`` are None where there is no copy."""
    if copy is None:
        return "copy"
    if edition is None or edition.source == source:
        return "keep"
    if copy == edition.copy:
        return "update"
    return "replace" if text == edition.text else "offer"


def refresh(lessons: Path = LESSONS, folder: Path = FOLDER) -> list[str]:
    """Make and update the copies; a sentence for each one of which somebody should know."""
    folder.mkdir(exist_ok=True)
    editions = _read(folder / RECORD)
    sentences: list[str] = []
    for path in _files(lessons):
        name = str(path.relative_to(lessons))
        content, target = prepared(path), folder / name
        old = target.read_bytes() if target.exists() else None
        action = decide(
            editions.get(name),
            source=_digest(path.read_bytes()),
            copy=None if old is None else _digest(old),
            text=None if old is None else _text(name, old),
        )
        sentences += _carry_out(action, target, content, folder)
        recorded = editions.get(name)
        if action != "keep":
            kept = recorded.copy if action == "offer" and recorded else _digest(content)
            editions[name] = Edition(source=_digest(path.read_bytes()), copy=kept, text=_text(name, content))
    (folder / RECORD).write_text(json.dumps({name: asdict(edition) for name, edition in editions.items()}, indent=1))
    return sentences


def _carry_out(action: Action, target: Path, content: bytes, folder: Path) -> Iterator[str]:
    if action == "keep":
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if action == "offer":
        beside = target.with_stem(f"{target.stem}-new")
        beside.write_bytes(content)
        yield f"{target.name} has a new edition: {beside.name}. Yours is kept as it is."
        return
    if action == "replace":
        earlier = folder / EARLIER / f"{target.stem}-{time.strftime('%Y-%m-%d-%H%M%S')}{target.suffix}"
        earlier.parent.mkdir(exist_ok=True)
        shutil.move(target, earlier)
        yield f"{target.name} has a new edition. What your last run showed is in {EARLIER}/{earlier.name}."
    target.write_bytes(content)


def prepared(path: Path) -> bytes:
    """A lesson as JupyterLab itself would save it, so that opening it changes nothing; other files as they are."""
    if path.suffix != ".ipynb":
        return path.read_bytes()
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["metadata"]["language_info"] = language()
    return (json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def language() -> Mapping[str, Any]:
    """What the kernel says of its language; JupyterLab writes it into every notebook that it opens."""
    return {
        "codemirror_mode": {"name": "ipython", "version": sys.version_info.major},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": f"ipython{sys.version_info.major}",
        "version": ".".join(map(str, sys.version_info[:3])),
    }


def _files(lessons: Path) -> list[Path]:
    return sorted([*lessons.glob("[0-9][0-9]-*.ipynb"), *lessons.glob("manifests/*.yaml")])


def _text(name: str, content: bytes) -> str:
    if not name.endswith(".ipynb"):
        return _digest(content)
    try:
        cells = json.loads(content)["cells"]
        written = [[cell["cell_type"], "".join(cell["source"])] for cell in cells]
    except (ValueError, KeyError, TypeError):
        return _digest(content)
    return _digest(json.dumps(written).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read(path: Path) -> dict[str, Edition]:
    """The editions by file; a damaged record counts as none, and then every copy is kept."""
    try:
        return {name: Edition(**edition) for name, edition in json.loads(path.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
