"""What istiod says on an object that is not carried out as it stands: Events on the object, and lines in its log."""

import asyncio
import logging

from labkit.kube import api, events, resources, status
from labkit.kube.resources import Object
from labkit.mesh import refusals
from labkit.sandbox.istiod import ads

log = logging.getLogger("istiod")


def event(obj: Object, reason: str, message: str) -> Object:
    """A Warning on an object."""
    return events.event(obj, component="istiod", reason=reason, message=message, type="Warning")


class Complaints:
    """Says each thing once for a version of an object, however many proxies agree."""

    def __init__(self, client: api.Api) -> None:
        self._client = client
        self._reported: set[tuple[str, str]] = set()
        self._logged: set[tuple[str, str, tuple[str, ...]]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def refused(self, refusal: ads.Refusal, objects: list[Object]) -> None:
        """An Envoy refuses what became of these objects."""
        what = f"{refusal.kind} {', '.join(refusal.names)}" if refusal.names else refusal.kind
        place = f"{refusal.proxy.namespace}/{refusal.proxy.name}"
        text = refusals.sentence(refusal.text) or refusals.UNTOLD
        versions = tuple(sorted(_version(obj) for obj in objects))
        if (place, text, versions) in self._logged:
            # Every push that still has it in is refused again; that is no news.
            return
        self._logged.add((place, text, versions))
        names = ", ".join(f"{o['kind']} {resources.namespace_of(o)}/{resources.name_of(o)}" for o in objects)
        log.warning("%s refuses its %s because of %s: %s", place, what, names or "no object that changed", text)
        for obj in objects:
            self._tell(obj, "Rejected", f"Envoy of {place} keeps its last good {what}: {text}")

    def broken(self, obj: Object, text: str) -> None:
        """An object cannot be compiled."""
        place = f"{obj['kind']} {resources.namespace_of(obj)}/{resources.name_of(obj)}"
        log.error("%s cannot be carried out and stays as it was: %s", place, text)
        self._tell(obj, "NotTranslated", f"istiod cannot carry this out, what was before stays: {text}")

    def without_effect(self, obj: Object, texts: list[str]) -> None:
        """Fields of an object do nothing here."""
        if texts:
            self._tell(obj, "NotCarriedOut", "; ".join(texts))

    def _tell(self, obj: Object, reason: str, message: str) -> None:
        key = _version(obj), reason
        if key in self._reported:
            return
        self._reported.add(key)
        task = asyncio.create_task(self._write(event(obj, reason, message)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _write(self, obj: Object) -> None:
        try:
            await self._client.create(resources.EVENTS, obj, manager="istiod")
        except (status.StatusError, OSError) as e:
            log.warning("no Event on %s: %s", obj["involvedObject"]["name"], e)


def _version(obj: Object) -> str:
    """One version of one object."""
    return f"{resources.uid_of(obj)}/{obj['metadata'].get('resourceVersion', '')}"
