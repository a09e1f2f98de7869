"""Events as controllers tell them: what is told again is counted, and much alike is told as one."""

import collections
import contextlib
import time
import weakref

from labkit.kube import api, events, resources, status, times
from labkit.kube.resources import Object

ALIKE = 10
"""Events about one object, of one reason and with different messages, after which they are told as one."""

WITHIN = 600.0
"""Seconds in which they count together. Both numbers are those of the real recorder."""

REMEMBERED = 1024
"""Events whose repetition is counted in place; older ones are written anew."""


class _Memory:
    """What was told through one client."""

    def __init__(self) -> None:
        self.written: collections.OrderedDict[tuple[str, ...], tuple[str, int]] = collections.OrderedDict()
        """(component, uid, type, reason, message) → name of the Event and how often it was told."""

        self.alike: collections.OrderedDict[tuple[str, ...], tuple[set[str], float]] = collections.OrderedDict()
        """(component, uid, type, reason) → messages, and when the first of them was told."""

    def combined(self, key: tuple[str, ...], message: str) -> str:
        """The message, or its short form when there were too many of its kind."""
        messages, since = self.alike.pop(key, (set(), time.monotonic()))
        if time.monotonic() - since > WITHIN:
            messages, since = set(), time.monotonic()
        messages.add(message)
        self.alike[key] = messages, since
        while len(self.alike) > REMEMBERED:
            self.alike.popitem(last=False)
        return f"(combined from similar events): {message}" if len(messages) >= ALIKE else message


_MEMORIES: "weakref.WeakKeyDictionary[api.Api, _Memory]" = weakref.WeakKeyDictionary()


async def record(
    client: api.Api, about: Object, *, component: str, reason: str, message: str, type: str = "Normal"
) -> None:
    """Write one Event, or count it with the same one before; losing it is no failure."""
    memory = _MEMORIES.setdefault(client, _Memory())
    kind = component, resources.uid_of(about), type, reason
    text = memory.combined(kind, message)
    # Combined events are one, whatever they say.
    key = (*kind, "" if text != message else message)
    with contextlib.suppress(status.StatusError, OSError):
        if (told := memory.written.get(key)) is not None:
            name, count = told
            body = {"count": count + 1, "lastTimestamp": times.now(), "message": text}
            try:
                await client.patch(resources.EVENTS, name, events.place(about), body, manager=component)
                memory.written[key] = name, count + 1
                return
            except status.NotFound:
                del memory.written[key]
        event = events.event(about, component=component, reason=reason, message=text, type=type)
        await client.create(resources.EVENTS, event, manager=component)
        memory.written[key] = event["metadata"]["name"], 1
        while len(memory.written) > REMEMBERED:
            memory.written.popitem(last=False)
