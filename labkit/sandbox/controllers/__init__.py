"""The controllers of the sandbox: from what was asked for to what is there."""

import asyncio

from labkit.kube import resources
from labkit.sandbox.controllers import (
    aggregation,
    autoscalers,
    budgets,
    cronjobs,
    daemonsets,
    deployments,
    evictions,
    garbage,
    jobs,
    mirroring,
    namespaces,
    protection,
    quotas,
    replicasets,
    scheduler,
    slices,
    statefulsets,
    tokensecrets,
    volumes,
)
from labkit.sandbox.controllers.informers import Cluster, Informers


async def run(client: Cluster, *, root_ca: str) -> None:
    """Run every controller until cancelled; ``root_ca`` (PEM) goes into each namespace."""
    informers = Informers(client)
    controllers = (
        deployments.Deployments(informers),
        replicasets.ReplicaSets(informers),
        replicasets.ReplicaSets(informers, resources.REPLICATION_CONTROLLERS, component="replication-controller"),
        statefulsets.StatefulSets(informers),
        daemonsets.DaemonSets(informers),
        cronjobs.CronJobs(informers),
        autoscalers.Autoscalers(informers),
        jobs.Jobs(informers),
        jobs.Tracking(informers),
        slices.Slices(informers),
        mirroring.Mirrors(informers),
        budgets.Budgets(informers),
        quotas.Quotas(informers),
        scheduler.Scheduler(informers),
        evictions.Evictions(informers),
        namespaces.Namespaces(informers, root_ca=root_ca),
        tokensecrets.TokenSecrets(informers, root_ca=root_ca),
        aggregation.Aggregation(informers),
        protection.Taints(informers),
        protection.Claims(informers),
        protection.Volumes(informers),
        volumes.Binder(informers),
        volumes.Phases(informers),
        volumes.StandardClass(informers),
        garbage.Garbage(informers),
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(informers.run())
        await informers.synced()
        for controller in controllers:
            group.create_task(controller.queue.run())
