"""Events that are told again are counted, and many of one kind are told as one."""

import asyncio

from labkit.kube import resources
from labkit.sandbox.controllers import recorder

ABOUT = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "shop", "uid": "u"}}


class Events:
    """Keeps what is written."""

    def __init__(self):
        self.written = {}

    async def create(self, resource, obj, *, manager=""):
        self.written[resources.name_of(obj)] = obj

    async def patch(self, resource, name, namespace, body, *, manager=""):
        self.written[name] = {**self.written[name], **body}


def told(*messages):
    client = Events()

    async def tell():
        for message in messages:
            await recorder.record(client, ABOUT, component="c", reason="FailedCreate", message=message)

    asyncio.run(tell())
    return [(e["message"], e["count"]) for e in client.written.values()]


def test_the_same_event_is_counted():
    assert told("no", "no", "other", "no") == [("no", 3), ("other", 1)]


def test_many_of_one_kind_become_one():
    events = told(*(f"pod {n} is forbidden" for n in range(20)))
    assert len(events) == 10
    assert events[-1] == ("(combined from similar events): pod 19 is forbidden", 11)
