"""A watch tells what happened, in order, and only what was asked for."""

import asyncio
import contextlib
import json
import ssl

import pytest

from labkit.kube import resources
from labkit.sandbox.apiserver import server, watching


@pytest.fixture
def watch(ask):
    """Events of ConfigMaps since a version, as ``(type, name)``; the watch ends after a second."""

    def watch(query, *, headers=None):
        path = f"/api/v1/namespaces/{ask.namespace}/configmaps?watch=true&timeoutSeconds=1&{query}"
        _, _, data = ask.client.raw("GET", path, headers=headers)
        return [json.loads(line) for line in data.splitlines()]

    return watch


def make(ask, name, **labels):
    return ask("POST", "configmaps", {"metadata": {"name": name, "labels": labels}}).body["metadata"]["resourceVersion"]


def seen(events):
    return [(event["type"], event["object"]["metadata"].get("name", "")) for event in events]


def test_changes_since_a_version_come_in_order(ask, watch):
    since = make(ask, "a")
    make(ask, "b")
    ask("DELETE", "configmaps/a")
    assert seen(watch(f"resourceVersion={since}")) == [("ADDED", "b"), ("DELETED", "a")]


def test_an_object_that_leaves_a_selector_is_deleted_for_its_watchers(ask, watch):
    since = make(ask, "a", tier="x")
    merge = {"Content-Type": "application/merge-patch+json"}
    ask("PATCH", "configmaps/a", {"metadata": {"labels": {"tier": "y"}}}, headers=merge)
    assert seen(watch(f"resourceVersion={since}&labelSelector=tier=x")) == [("DELETED", "a")]


def test_initial_events_end_in_a_marked_bookmark(ask, watch):
    make(ask, "a")
    query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    *added, last = watch(query)
    assert seen(added) == [("ADDED", "a"), ("ADDED", "kube-root-ca.crt")]
    assert last["type"] == "BOOKMARK"
    assert last["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_a_watch_of_tables_describes_its_columns_once(ask, watch):
    since = make(ask, "a")
    make(ask, "b")
    make(ask, "c")
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    columns = [e["object"]["columnDefinitions"] for e in watch(f"resourceVersion={since}", headers=accept)]
    assert [bool(result) for result in columns] == [True, False]


def test_a_list_continues_where_it_stopped(ask):
    for name in "abc":
        make(ask, name)
    first = ask("GET", "configmaps", query="limit=2").body
    rest = ask("GET", "configmaps", query=f"limit=2&continue={first['metadata']['continue']}").body
    assert [i["metadata"]["name"] for i in first["items"]] == ["a", "b"]
    assert [i["metadata"]["name"] for i in rest["items"]] == ["c", "kube-root-ca.crt"]


def test_a_list_is_as_it_was_at_an_earlier_version(ask):
    earlier = make(ask, "a")
    make(ask, "b")
    query = f"resourceVersion={earlier}&resourceVersionMatch=Exact&labelSelector=!nothing"
    names = [i["metadata"]["name"] for i in ask("GET", "configmaps", query=query).body["items"]]
    assert "b" not in names


def test_a_client_that_reads_nothing_is_let_go(tmp_path):
    """It is given a portion; once it is further behind than the server remembers, its connection ends."""

    async def ends():
        api = server.Server(state=tmp_path / "state", kubeconfig=tmp_path / "kubeconfig")
        await api.start()
        try:
            for n in range(40):
                obj = {"metadata": {"name": f"c{n}", "namespace": "default"}, "data": {"a": "x" * 20_000}}
                await api.local.create(resources.CONFIG_MAPS, obj)
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", api.port, ssl=ssl.create_default_context(cadata=api.root_ca), limit=1024
            )
            token = json.loads((tmp_path / "kubeconfig").read_text())["users"][0]["user"]["token"]
            line = "GET /api/v1/namespaces/default/configmaps?watch=1 HTTP/1.1"
            writer.write(f"{line}\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            for n in range(watching.LONGEST_QUEUE + 500):
                await api.local.patch(resources.CONFIG_MAPS, "c0", "default", {"data": {"b": str(n)}})
            size = 0
            with contextlib.suppress(ConnectionError):
                while part := await asyncio.wait_for(reader.read(65536), 60):
                    size += len(part)
            writer.transport.abort()
            return size
        finally:
            await api.stop()

    assert asyncio.run(ends()) < 40 * 20_000 + 400 * 20_000
