"""The kubelet: runs the pods bound to this node, and answers for them (logs, exec, port-forward)."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from aiohttp import web

from labkit.base import settings
from labkit.kube import api, informer, resources
from labkit.kube.resources import Object
from labkit.sandbox.kubelet import (
    beneath,
    catalogue,
    events,
    heartbeat,
    launching,
    node,
    persistent,
    pod,
    requests,
    rootfs,
    usage,
)
from labkit.sandbox.network import addresses, pods

_LOG = logging.getLogger(__name__)

HOUSEKEEPING = 30.0
"""Seconds between looks at tokens that run out; they live an hour."""

STOP_GRACE = 5.0
"""Seconds pods get when the sandbox stops."""


class Kubelet:
    """One node's agent; ``run`` until cancelled."""

    def __init__(
        self,
        client: api.Api,
        *,
        paths: settings.Paths,
        block: addresses.Block,
        api_port: int,
        root_ca: str,
        networks: pods.Networks,
    ) -> None:
        self._client = client
        self._folder = paths.state / "pods"
        programs = catalogue.load(paths.home)
        self._config_maps = informer.Informer(client, resources.CONFIG_MAPS)
        self._secrets = informer.Informer(client, resources.SECRETS)
        self._services = informer.Informer(client, resources.SERVICES)
        self._persistent = persistent.PersistentVolumes(client, paths.state / "volumes")
        self._bound = informer.Informer(client, resources.PODS, fields=f"spec.nodeName={node.NAME}")
        self.shared = node.Node(
            client=client,
            launcher=launching.Launcher(programs.modules),
            catalogue=programs,
            recorder=events.Recorder(client, component="kubelet", host=node.NAME),
            pool=addresses.Pool(block),
            block=block,
            folder=self._folder,
            api_port=api_port,
            root_ca=root_ca,
            stored=self._stored,
            services=self._services.all,
            persistent=self._persistent,
            machine=rootfs.machine(),
            networks=networks,
        )
        self.pods: dict[str, pod.Pod] = {}
        """By uid."""
        self._ends: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"Kubelet({len(self.pods)} pods, {self.shared.launcher!r})"

    async def run(self) -> None:
        """Run the node's pods; on cancellation all their processes are stopped and the objects stay."""
        self._prepare(self._folder)
        works: list[Coroutine[Any, Any, None]] = [
            self.shared.launcher.run(),
            self.shared.recorder.run(),
            self._config_maps.run(),
            self._secrets.run(),
            self._services.run(),
            self._persistent.followed.run(),
        ]
        background = [asyncio.create_task(work) for work in works]
        try:
            await heartbeat.register(self._client, machine_id=self.shared.block.pod(0))
            await self._config_maps.synced.wait()
            await self._secrets.synced.wait()
            await self._services.synced.wait()
            await self._persistent.followed.synced.wait()
            background.append(asyncio.create_task(self._bound.run()))
            await self._bound.synced.wait()
            self._forget_files()
            self._persistent.forget(self._persistent.followed.all())
            self._adopt()
            self._config_maps.on_change(lambda old, new: self._refill("ConfigMap", new or old))
            self._secrets.on_change(lambda old, new: self._refill("Secret", new or old))
            background.append(asyncio.create_task(heartbeat.renew(self._client)))
            background.append(asyncio.create_task(self._keep_house()))
            await asyncio.gather(*background)
        finally:
            await self._stop(background)

    def _prepare(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._persistent.prepare()
        for kit in catalogue.COMMANDS:
            catalogue.write_commands(kit, folder / "bin" / kit)

    def _forget_files(self) -> None:
        """Remove what pods left that went while no kubelet ran."""
        uids = {resources.uid_of(obj) for obj in self._bound.all()}
        for folder in self._folder.iterdir():
            if folder.name != "bin" and folder.name not in uids:
                beneath.discard(folder)

    def _adopt(self) -> None:
        """Begin every pod: first those with an address, so that each has its own again."""
        for obj in sorted(self._bound.all(), key=lambda o: not (o.get("status") or {}).get("podIP")):
            self._begin(obj)
        self._bound.on_change(self._pod_changed)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None and (new is None or resources.uid_of(new) != resources.uid_of(old)):
            self._removed(resources.uid_of(old))
        if new is None:
            return
        held = self.pods.get(resources.uid_of(new))
        if held is None:
            held = self._begin(new)
        if old is not None or "deletionTimestamp" in new["metadata"]:
            held.update(new)

    def _begin(self, obj: Object) -> pod.Pod:
        uid = resources.uid_of(obj)
        held = self.pods[uid] = pod.Pod(self.shared, obj, node.Place(folder=self._folder / uid))
        held.begin()
        return held

    def _removed(self, uid: str) -> None:
        """The object is gone; usually because we deleted it, else (force) the processes must follow."""
        held = self.pods.pop(uid, None)
        if held:
            held.end(0)
            task = asyncio.create_task(held.until_gone())
            self._ends.add(task)
            task.add_done_callback(self._ends.discard)

    def _stored(self, kind: str, namespace: str, name: str) -> Object | None:
        cache = self._config_maps if kind == "ConfigMap" else self._secrets
        return cache.get(name, namespace)

    def _refill(self, kind: str, obj: Object | None) -> None:
        if obj is None:
            return
        namespace, name = informer.key_of(obj)
        for held in self.pods.values():
            if resources.namespace_of(held.pod) == namespace and held.shows(kind, name):
                held.refill()

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING)
            for held in list(self.pods.values()):
                try:
                    await held.renew_tokens()
                except Exception:  # one pod's trouble must not cost the others their tokens
                    _LOG.exception("tokens of %r", held)

    async def _stop(self, background: list[asyncio.Task[None]]) -> None:
        launcher, *others = background
        for task in others:
            task.cancel()
        await asyncio.gather(*(held.abandon(STOP_GRACE) for held in self.pods.values()))
        launcher.cancel()
        for task in background:
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task

    # What the API server asks for

    async def log(self, request: web.Request, pod: Object) -> web.StreamResponse:
        """``kubectl logs``."""
        return await requests.log(self._of(pod), request, pod)

    async def exec(self, request: web.Request, pod: Object, *, attach: bool) -> web.StreamResponse:
        """``kubectl exec`` and ``kubectl attach``."""
        return await requests.execute(self._of(pod), request, pod, attach=attach)

    async def port_forward(self, request: web.Request, pod: Object) -> web.StreamResponse:
        """``kubectl port-forward``."""
        return await requests.port_forward(self._of(pod), request, pod)

    def summary(self) -> dict[str, Any]:
        """The memory of containers."""
        return usage.summary(self.pods.values())

    def _of(self, obj: Object) -> pod.Pod | None:
        return self.pods.get(resources.uid_of(obj))
