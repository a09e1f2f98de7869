"""The controllers of the sandbox: from what was asked for to what is there."""

import asyncio

from labkit.kube import api
from labkit.sandbox.controllers import housekeeping, slices, workloads
from labkit.sandbox.controllers.informers import Informers


async def run(client: api.Api, *, root_ca: str) -> None:
    """Run every controller until cancelled; ``root_ca`` (PEM) goes into each namespace."""
    informers = Informers(client)
    garbage = housekeeping.Garbage(client, informers)
    queues = [
        workloads.Deployments(client, informers).queue,
        workloads.ReplicaSets(client, informers).queue,
        slices.Slices(client, informers).queue,
        housekeeping.Scheduler(client, informers).queue,
        housekeeping.Namespaces(client, informers, root_ca=root_ca).queue,
    ]
    async with asyncio.TaskGroup() as group:
        group.create_task(informers.run())
        await informers.synced()
        group.create_task(housekeeping.together([*queues, *garbage.queues]))
