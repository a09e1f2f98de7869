"""What was stored is there again, and changes are told in order."""

import pytest

from labkit.sandbox.apiserver import store


def config_map(name, data="1"):
    return {"kind": "ConfigMap", "metadata": {"namespace": "n", "name": name}, "data": {"a": data}}


@pytest.fixture
def opened(tmp_path):
    result = store.Store(tmp_path / "objects.db")
    yield result
    result.close()


def test_objects_outlive_the_process(tmp_path):
    first = store.Store(tmp_path / "objects.db")
    version = first.put("/configmaps", config_map("c")).version
    first.close()
    again = store.Store(tmp_path / "objects.db")
    value = again.get("/configmaps", "n", "c")
    again.close()
    assert (value.version, value.object["data"]) == (version, {"a": "1"})


def test_versions_never_come_back_not_even_those_of_deletions(tmp_path):
    first = store.Store(tmp_path / "objects.db")
    first.put("/configmaps", config_map("c"))
    gone = first.remove("/configmaps", "n", "c").version
    first.close()
    again = store.Store(tmp_path / "objects.db")
    version = again.put("/configmaps", config_map("d")).version
    again.close()
    assert version > gone


def test_listeners_hear_every_change_with_what_was_before(opened):
    heard = []
    opened.table("/configmaps").listeners.add(lambda change: heard.append((change.type, bool(change.previous))))
    opened.put("/configmaps", config_map("c"))
    opened.put("/configmaps", config_map("c", "2"))
    opened.remove("/configmaps", "n", "c")
    assert heard == [("ADDED", False), ("MODIFIED", True), ("DELETED", True)]


def test_a_table_remembers_earlier_versions(opened):
    table = opened.table("/configmaps")
    early = opened.put("/configmaps", config_map("c")).version
    opened.put("/configmaps", config_map("c", "2"))
    opened.put("/configmaps", config_map("d"))
    assert [item.object["data"]["a"] for item in table.items_at(early)] == ["1"]
    assert [change.type for change in table.since(early)] == ["MODIFIED", "ADDED"]


def test_what_the_ring_has_lost_is_not_guessed(opened):
    table = opened.table("/configmaps")
    early = opened.put("/configmaps", config_map("c")).version
    for number in range(store.RING + 1):
        opened.put("/configmaps", config_map("c", str(number)))
    assert table.since(early) is None
    assert table.items_at(early) is None
