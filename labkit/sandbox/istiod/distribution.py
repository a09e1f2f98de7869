"""What istiod writes into the status of Istio's objects: how many proxies have them.

Istio's own condition ``Reconciled`` ("7/7 proxies up to date."), as its control plane writes it where the tracking of
distribution is on. Here it is always on, so that ``kubectl wait --for=condition=Reconciled virtualservice/reviews``
returns when the next request takes the new way.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Any

from labkit.kube import api, resources, status, times
from labkit.kube.resources import Object, Resource
from labkit.sandbox.istiod import progress, statuses

log = logging.getLogger("istiod")

GROUPS = ("networking.istio.io", "security.istio.io", "telemetry.istio.io")
"""Whose objects have the condition."""

SETTLE = 0.05
"""Seconds after the last news until it is written: one write says what several answers of proxies did."""

LATE = 5.0
"""Seconds after which an object that is not everywhere yet says so."""

CONDITION = "Reconciled"

Current = Callable[[Resource, str, str], Object | None]
"""(kind, name, namespace) → the object as it is now."""

Report = Callable[[progress.Key, str], Mapping[str, Any]]
"""(object, resourceVersion) → how far it is, as ``progress.Progress.report`` has it."""


def condition(report: Mapping[str, Any]) -> Object:
    """The condition of a report, without its time."""
    live, proxies = report["live"], report["proxies"]
    fields: Object = {"type": CONDITION, "status": "True" if live == proxies else "False", "reason": "Distributed"}
    fields["message"] = f"{live}/{proxies} proxies up to date."
    if report["refusing"]:
        fields["reason"] = "Rejected"
        fields["message"] += f" Refused by {', '.join(report['refusing'])}; the Events of this object say why."
    elif live != proxies:
        fields["reason"] = "Distributing"
    return fields


def changed(obj: Object, report: Mapping[str, Any], now: str) -> Object | None:
    """The patch of an object's status; None when it says so already. It holds for this very version of the object."""
    before = obj.get("status") or {}
    others = [c for c in before.get("conditions") or [] if c.get("type") != CONDITION]
    new_status = {"observedGeneration": obj["metadata"]["generation"], "conditions": [*others, condition(report)]}
    if statuses.timeless(new_status) == statuses.timeless({key: before.get(key) for key in new_status}):
        return None
    version = {"resourceVersion": obj["metadata"]["resourceVersion"]}
    return {"metadata": version, "status": statuses.timed(new_status, before, now)}


class Reporter:
    """Writes the condition of every object that changed, once all proxies have answered for it."""

    def __init__(self, client: api.Api, report: Report, current: Current = lambda *_: None) -> None:
        self._client, self._report, self._current = client, report, current
        self._pending: dict[progress.Key, tuple[Resource, Object, float]] = {}
        self._wake = asyncio.Event()

    def __repr__(self) -> str:
        return f"Reporter({len(self._pending)} objects to report on)"

    def note(self, resource: Resource, old: Object | None, new: Object | None) -> None:
        """An object changed, or went."""
        if resource.group not in GROUPS:
            return
        if new is None:
            self._pending.pop(progress.key_of(old or {}), None)
            return
        self._pending[progress.key_of(new)] = resource, new, asyncio.get_running_loop().time()
        self._wake.set()

    def news(self) -> None:
        """A proxy answered."""
        if self._pending:
            self._wake.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LATE if self._pending else None)
            await asyncio.sleep(SETTLE)
            self._wake.clear()
            for key, (resource, obj, since) in list(self._pending.items()):
                await self._look_at(key, resource, obj, since)

    async def _look_at(self, key: progress.Key, resource: Resource, obj: Object, since: float) -> None:
        report = self._report(key, obj["metadata"]["resourceVersion"])
        if not report["included"]:
            return
        is_done = not report["waiting"]
        if not is_done and asyncio.get_running_loop().time() - since < LATE:
            return
        if is_done and self._pending.get(key, (None, None))[1] is obj:
            del self._pending[key]
        # Others write conditions into the same list: theirs are those of the newest version.
        newest = self._current(resource, resources.name_of(obj), resources.namespace_of(obj)) or obj
        patch = changed(newest, report, times.now())
        if patch is not None and not await self._write(resource, obj, patch):
            self._pending.setdefault(key, (resource, obj, since))
            self._wake.set()

    async def _write(self, resource: Resource, obj: Object, patch: Object) -> bool:
        """Write a status; False where another writer came first."""
        name, namespace = resources.name_of(obj), resources.namespace_of(obj)
        try:
            with contextlib.suppress(status.NotFound):  # it went meanwhile
                await self._client.patch(resource, name, namespace, patch, subresource="status", manager="istiod")
        except status.Conflict:
            return False
        except (status.StatusError, OSError) as e:
            log.warning("no status on %s %s/%s: %s", resource.kind, namespace, name, e)
        return True
