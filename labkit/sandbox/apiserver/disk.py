"""Objects on disk: one row each in sqlite, written at every mutation."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from labkit.sandbox.apiserver import refusing

TABLES = """
create table if not exists objects (
    resource text, namespace text, name text, version integer, body blob,
    primary key (resource, namespace, name)
) without rowid;
create table if not exists counter (id integer primary key, version integer);
insert or ignore into counter values (0, 0);
"""


class Disk:
    """A sqlite file. Every call is its own transaction: a killed process loses no change that it has acknowledged."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = path
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("pragma journal_mode=wal")
        # The file must survive a kill of this process, which needs no fsync; a power cut may lose a lab.
        self._db.execute("pragma synchronous=off")
        self._db.executescript(TABLES)

    def version(self) -> int:
        """The newest version ever given, that of deletions included."""
        sql = "select max((select version from counter), coalesce((select max(version) from objects), 0))"
        return int(self._db.execute(sql).fetchone()[0])

    def rows(self) -> Iterator[tuple[str, int, bytes]]:
        """``(resource, version, body)`` of every object."""
        yield from self._db.execute("select resource, version, body from objects")

    def put(self, resource: str, namespace: str, name: str, version: int, body: bytes) -> None:
        """Write one object."""
        row = (resource, namespace, name, version, body)
        with self._refusing():
            self._db.execute("insert or replace into objects values (?, ?, ?, ?, ?)", row)

    def remove(self, resource: str, namespace: str, name: str, version: int) -> None:
        """Forget one object, but not the version its deletion took."""
        with self._refusing():
            self._db.execute("begin")
            where = "resource = ? and namespace = ? and name = ?"
            self._db.execute(f"delete from objects where {where}", (resource, namespace, name))
            self._db.execute("update counter set version = ?", (version,))
            self._db.execute("commit")

    @contextlib.contextmanager
    def _refusing(self) -> Iterator[None]:
        """What cannot be written has not happened: whoever asked for it is told why."""
        try:
            yield
        except sqlite3.Error as e:
            if self._db.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("rollback")
            next_step = (
                "free some space on its disk, then do this again"
                if getattr(e, "sqlite_errorcode", 0) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
                else "./lab down and ./lab up repair what can be"
            )
            message = f"Internal error occurred: {self._path} cannot be written ({e}). Next: {next_step}"
            raise refusing.refusal(500, "InternalError", message, {}) from e

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()
