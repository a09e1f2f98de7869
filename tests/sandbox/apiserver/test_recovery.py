"""A damaged database is never taken for an empty cluster: what can be kept is kept, and the rest is said."""

import asyncio
import sqlite3

import pytest

from labkit.base import errors
from labkit.kube import resources
from labkit.sandbox.apiserver import recovery, store
from labkit.sandbox.apiserver.server import Server

NAMES = [f"c{number:03}" for number in range(300)]


def config_map(name):
    return {"kind": "ConfigMap", "metadata": {"namespace": "n", "name": name}, "data": {"a": name * 50}}


@pytest.fixture
def database(tmp_path):
    """300 objects, and nothing but the file."""
    path = tmp_path / "objects.db"
    opened = store.Store(path)
    for name in NAMES:
        opened.put("/configmaps", config_map(name))
    opened.close()
    return path


def kept(path):
    opened = store.Store(path)
    names = [item.object["metadata"]["name"] for item in opened.table("/configmaps").items("n")]
    version = opened.version
    opened.close()
    return names, version


def overwrite(path, offset, data):
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


DAMAGES = {
    "emptied": lambda path: path.write_bytes(b""),
    "deleted": lambda path: path.unlink(),
    "not a database": lambda path: path.write_bytes(b"x" * 9000),
    "its first page torn": lambda path: overwrite(path, 0, b"\0" * 4096),
    "a page in the middle torn": lambda path: overwrite(path, path.stat().st_size // 8192 * 4096, b"\xff" * 4096),
    "cut in half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_with_a_copy_nothing_is_lost(database, damage):
    recovery.copy(database)
    _, before = kept(database)
    DAMAGES[damage](database)
    notice = recovery.repair(database, has_served=True)
    names, version = kept(database)
    assert names == NAMES and version > before
    assert ("was gone" if damage == "deleted" else "was damaged") in notice and "taken from its copy of" in notice


def test_without_a_copy_what_lies_on_both_sides_of_the_damage_is_kept(database):
    DAMAGES["a page in the middle torn"](database)
    notice = recovery.repair(database, has_served=True)
    names, _ = kept(database)
    assert 200 < len(names) < 300 and {NAMES[0], NAMES[-1]} <= set(names)
    assert f"{len(names)} objects were read" in notice
    assert (database.parent / "objects.damaged.db").exists()


@pytest.mark.parametrize("damage", ["emptied", "deleted", "not a database"])
def test_where_nothing_is_left_it_says_so_and_starts_nothing(database, damage):
    DAMAGES[damage](database)
    with pytest.raises(errors.SetupError, match=r"objects are lost.*, and it has no copy.\nNext: put a copy"):
        recovery.repair(database, has_served=True)
    recovery.copy_of(database).write_bytes(b"not a database either")
    with pytest.raises(errors.SetupError, match=r"nothing in its copy .* either.\nNext: put a copy"):
        recovery.repair(database, has_served=True)


def test_a_whole_database_and_a_new_lab_need_nothing(database, tmp_path):
    assert recovery.repair(database, has_served=True) == ""
    assert recovery.repair(tmp_path / "none.db", has_served=False) == ""


def test_a_database_that_a_killed_first_start_left_empty_is_a_new_one(tmp_path):
    (tmp_path / "objects.db").touch()
    assert recovery.repair(tmp_path / "objects.db", has_served=False) == ""


FILES = ["port", "pki/server.pem", "pki/ca.crt", "pki/tokens.pem", "pki/admin.token"]


@pytest.mark.parametrize("text", ["", "-----BEGIN", "\0\0\0\0"], ids=["emptied", "torn", "zeros"])
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_port_or_key_file_costs_no_object(tmp_path, file, text):
    async def scene():
        first = Server(state=tmp_path / "state", kubeconfig=tmp_path / "kubeconfig")
        await first.start()
        await first.local.create(
            resources.CONFIG_MAPS, {**config_map("c"), "metadata": {"name": "c", "namespace": "default"}}
        )
        await first.stop()
        (tmp_path / "state" / file).write_text(text)
        again = Server(state=tmp_path / "state", kubeconfig=tmp_path / "kubeconfig")
        await again.start()
        try:
            assert await again.local.get(resources.CONFIG_MAPS, "c", "default")
            return again.notices
        finally:
            await again.stop()

    notices = asyncio.run(scene())
    assert len(notices) == (1 if file in ("port", "pki/tokens.pem") else 0)


def test_what_cannot_be_written_is_refused_with_the_reason_and_has_not_happened(tmp_path):
    opened = store.Store(tmp_path / "objects.db")
    opened.put("/configmaps", config_map("c"))
    opened._disk._db.execute("pragma max_page_count = 1")  # a disk without room
    with pytest.raises(Exception, match=r"cannot be written \(database or disk is full\). Next: free some space"):
        for name in NAMES:
            opened.put("/configmaps", config_map(name))
    held = {item.object["metadata"]["name"] for item in opened.table("/configmaps").items("n")}
    opened.close()
    assert set(kept(tmp_path / "objects.db")[0]) == held


def test_a_copy_is_whole_while_others_write(database):
    with sqlite3.connect(database, isolation_level=None) as db:
        db.execute("begin")
        db.execute("delete from objects")
        recovery.copy(database)
        db.execute("rollback")
    db.close()
    assert len(recovery.readable(recovery.copy_of(database))) == 300
