"""A database that was torn, emptied or deleted: what can be read of it is kept, and its copy fills the rest."""

import contextlib
import sqlite3
import time
from pathlib import Path

from labkit.base import errors

Key = tuple[str, str, str]
Rows = dict[Key, tuple[int, bytes]]
"""``{(resource, namespace, name): (version, body)}``."""

LEAP = 100_000
"""Versions left out after a loss: some of those after the last one kept may have been given to clients."""

_SELECT = "select resource, namespace, name, version, body from objects order by resource {0}, namespace {0}, name {0}"


def copy_of(path: Path) -> Path:
    """Where ``copy`` puts the copy of a database."""
    return path.with_name("objects.copy.db")


def copy(path: Path) -> None:
    """Copy a database while others use it; the copy replaces the one before at once."""
    draft = path.with_name("objects.copy.new")
    draft.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as source, contextlib.closing(sqlite3.connect(draft)) as target:
        source.backup(target)
    draft.replace(copy_of(path))


def is_intact(path: Path) -> bool:
    """Whether sqlite reads every page of it."""
    try:
        with contextlib.closing(sqlite3.connect(path)) as db:
            return bool(
                db.execute("pragma quick_check").fetchone() == ("ok",)
                and db.execute("select count(*) from sqlite_master where name in ('objects', 'counter')").fetchone()[0]
                == 2
            )
    except sqlite3.DatabaseError:
        return False


def readable(path: Path) -> Rows:
    """Every row that can be read, from both ends of the table towards the damage."""
    rows: Rows = {}
    if not path.exists() or path.stat().st_size == 0:
        return rows
    with contextlib.closing(sqlite3.connect(path)) as db:
        for direction in ("asc", "desc"):
            with contextlib.suppress(sqlite3.DatabaseError, ValueError):
                for resource, namespace, name, version, body in db.execute(_SELECT.format(direction)):
                    rows[resource, namespace, name] = int(version), bytes(body)
    return rows


def repair(path: Path, *, has_served: bool) -> str:
    """Make the database whole; what a person should know of it, empty when it was.

    ``has_served`` tells a lab that lost everything from a new one. Raises SetupError when nothing is left to keep.
    """
    if path.exists() and path.stat().st_size and is_intact(path):
        return ""
    if not path.exists() and not has_served:
        return ""
    own = readable(path)
    rows = readable(copy_of(path)) | own
    if not rows and not has_served:
        path.unlink(missing_ok=True)
        return ""
    if not rows:
        copied = copy_of(path)
        beside = f"nothing in its copy {copied} either" if copied.exists() else "it has no copy"
        raise errors.SetupError(
            f"The lab's objects are lost: nothing in {path} can be read, and {beside}.",
            next_step="put a copy of that file back if you have one; ./lab down --forget starts with an empty cluster",
        )
    damaged = _set_aside(path)
    _write(path, rows)
    state, taken = "damaged" if damaged else "gone", len(rows) - len(own)
    return (
        f"The database of the lab was {state}. {len(own)} objects were read from it and {taken} were taken from its "
        f"copy{_age(copy_of(path))}; look whether your last changes are there (kubectl get)."
        + (f" The damaged file is {damaged}." if damaged else "")
    )


def _age(path: Path) -> str:
    with contextlib.suppress(OSError):
        return time.strftime(" of %H:%M on %d %B", time.localtime(path.stat().st_mtime))
    return ""


def _set_aside(path: Path) -> Path | None:
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    if not path.exists():
        return None
    damaged = path.with_name("objects.damaged.db")
    path.replace(damaged)
    return damaged


def _write(path: Path, rows: Rows) -> None:
    from labkit.sandbox.apiserver import disk

    draft = path.with_name("objects.repaired.db")
    draft.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(draft)) as db, db:
        db.executescript(disk.TABLES)
        values = [(*key, version, body) for key, (version, body) in rows.items()]
        db.executemany("insert into objects values (?, ?, ?, ?, ?)", values)
        db.execute("update counter set version = ?", (max(v for v, _ in rows.values()) + LEAP,))
    draft.replace(path)
