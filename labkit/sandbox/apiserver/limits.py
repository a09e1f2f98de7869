"""What the sandbox does not carry out: a Warning in the answer to a write, and an Event on the object."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from labkit.kube import status
from labkit.kube.resources import Object
from labkit.sandbox import support
from labkit.sandbox.apiserver.calls import Call

log = logging.getLogger("apiserver")

COMPONENT = "sandbox"
"""Who the Events are from."""

Record = Callable[[Object, str], Awaitable[None]]
"""Writes a Warning event with this message on an object."""

Key = tuple[str, str]
"""uid and message of an Event."""


class Limits:
    """Says what has no effect, each thing once for an object."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._recorded: set[Key] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"Limits({len(self._recorded)} events)"

    async def warn(self, call: Call, new: Object, old: Object | None) -> Object | None:
        """Warn whoever writes an object; the objects of controllers repeat what their owner has been told."""
        call.warnings += [f"{support.PREFIX}{text}" for text in _findings(call, new)]
        return None

    def record(self, call: Call, new: Object, old: Object | None) -> Object:
        """Record an Event for an object that is about to be stored."""
        texts = [] if call.dry_run else _findings(call, new)
        key = str(new["metadata"].get("uid", "")), "; ".join(texts)
        if texts and key not in self._recorded:
            self._recorded.add(key)
            task = asyncio.get_running_loop().create_task(self._written(new, key[1]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return new

    async def _written(self, obj: Object, message: str) -> None:
        try:
            await self._record(obj, message)
        except status.StatusError as e:
            log.warning("no Event on %s %s: %s", obj["kind"], obj["metadata"]["name"], e)


def _findings(call: Call, obj: Object) -> list[str]:
    if call.subresource or call.served.crd is not None or support.is_told_by_owner(obj):
        return []
    return support.findings(obj)
