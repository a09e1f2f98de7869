"""An informer's cache follows the server, whatever happens to the connection."""

import asyncio

from labkit.kube import api, informer, resources, status


def config_map(name, version, data="x"):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"namespace": "a", "name": name, "resourceVersion": str(version)},
        "data": {"k": data},
    }


class Script:
    """An API that plays one list and one watch after another, then stays silent."""

    def __init__(self, *acts):
        self.acts = list(acts)
        self.played = asyncio.Event()

    async def list(self, resource, namespace=None, *, labels="", fields=""):
        items = self.acts.pop(0)
        return {"items": items, "metadata": {"resourceVersion": "10"}}

    async def watch(self, resource, namespace=None, *, since, labels="", fields=""):
        if not self.acts:
            self.played.set()
            await asyncio.Event().wait()
        for event in self.acts.pop(0):
            if isinstance(event, Exception):
                raise event
            yield api.Event(*event)


async def play(*acts):
    """The final cache, and every change announced as (old name, new data)."""
    script = Script(*acts)
    followed = informer.Informer(script, resources.CONFIG_MAPS, retry_after=0)
    changes = []
    followed.on_change(lambda old, new: changes.append((bool(old), new and new["data"]["k"])))
    task = asyncio.create_task(followed.run())
    await script.played.wait()
    task.cancel()
    return {name: obj["data"]["k"] for (_, name), obj in followed.cache.items()}, changes


def test_a_watch_changes_the_cache_and_announces_it():
    events = [
        ("MODIFIED", config_map("one", 11, "y")),
        ("ADDED", config_map("two", 12)),
        ("DELETED", config_map("one", 13)),
        ("BOOKMARK", {"metadata": {"resourceVersion": "14"}}),
    ]
    cache, changes = asyncio.run(play([config_map("one", 9)], events))
    assert cache == {"two": "x"}
    assert changes == [(False, "x"), (True, "y"), (False, "x"), (True, None)]


def test_an_expired_version_lists_again_and_announces_only_what_differs():
    gone = status.Expired({"code": 410})
    cache, changes = asyncio.run(
        play([config_map("one", 9), config_map("two", 9)], [gone], [config_map("two", 20, "new")])
    )
    assert cache == {"two": "new"}
    assert changes == [(False, "x"), (False, "x"), (True, None), (True, "new")]


def test_a_lost_connection_is_tried_again():
    cache, _ = asyncio.run(play([], [ConnectionResetError()], [config_map("one", 9)]))
    assert cache == {"one": "x"}
