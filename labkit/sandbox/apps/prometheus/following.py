"""Which targets there are now: follows the cluster's objects, starts and ends scrapes."""

import asyncio
import time
from collections.abc import Mapping

from labkit.kube import aio
from labkit.sandbox.apps.prometheus import config, reading, scraping, targets
from labkit.sandbox.apps.prometheus.cluster import ClusterObjects
from labkit.sandbox.apps.prometheus.scraping import Scrapes
from labkit.sandbox.apps.prometheus.store import Store
from labkit.sandbox.apps.prometheus.targets import Target

QUIET = 1.0
"""Seconds for which changes are collected before targets are worked out anew; Prometheus takes five."""

TRIM = 30.0
"""Seconds between looks for samples that must go."""


class Following:
    """Targets of a configuration, and their scrapes."""

    def __init__(self, store: Store, env: Mapping[str, str]) -> None:
        self.store = store
        self.config = config.Config()
        self.targets: dict[str, targets.Targets] = {}
        """Targets by job."""
        self.scrapes: dict[Target, Scrapes] = {}
        self._env, self._reader = env, reading.Reader(env)
        self._tasks: dict[Target, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self._cluster = ClusterObjects(self._changed.set)

    def __repr__(self) -> str:
        return f"Following({len(self.scrapes)} targets, {self.store!r})"

    def configure(self, new: config.Config) -> None:
        """Use another configuration."""
        self.config = new
        self._changed.set()

    async def run(self) -> None:
        """Follow until cancelled."""
        async with aio.Client.in_cluster(self._env) as client, asyncio.TaskGroup() as group:
            group.create_task(self._trim())
            while True:
                await self._changed.wait()
                self._cluster.follow((role for job in self.config.jobs for role in job.roles), client, group)
                await asyncio.sleep(QUIET)
                self._changed.clear()
                self._apply(group)

    def _apply(self, group: asyncio.TaskGroup) -> None:
        objects = self._cluster.objects
        self.targets = {job.name: targets.of_job(job, objects) for job in self.config.jobs}
        there = {target for of_job in self.targets.values() for target in of_job.active}
        for target in self._tasks.keys() - there:
            self._tasks.pop(target).cancel()
            self.scrapes.pop(target).end(round(time.time() * 1000))
        for target in there - self._tasks.keys():
            self.scrapes[target] = Scrapes(target, self.store)
            self._tasks[target] = group.create_task(scraping.run(self.scrapes[target], self._reader.read))

    async def _trim(self) -> None:
        while True:
            await asyncio.sleep(TRIM)
            self.store.trim(round(time.time() * 1000))
