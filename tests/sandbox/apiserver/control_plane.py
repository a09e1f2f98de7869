"""For synchronous tests: an API server with controllers in a thread, and a kubelet that only says that pods run."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labkit.kube import client, resources
from labkit.sandbox import controllers as all_controllers
from labkit.sandbox.apiserver import server
from labkit.sandbox.apiserver.local import LocalApi

NODE = {"metadata": {"name": "sandbox", "labels": {"kubernetes.io/hostname": "sandbox"}}}
NODE_STATUS = {
    "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "1000"},
    "conditions": [{"type": "Ready", "status": "True"}],
}


@dataclass(frozen=True, kw_only=True)
class ControlPlane:
    """A running one."""

    kubeconfig: Path
    client: client.Client


@contextmanager
def running(folder: Path, *, nodes: bool = False, controllers: bool = True) -> Iterator[ControlPlane]:
    """Run one; ``nodes``: register the node, so that the scheduler binds pods."""
    kubeconfig, ready, loop = folder / "kubeconfig", threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        api = server.Server(state=folder / "state", kubeconfig=kubeconfig)
        await api.start()
        tasks = []
        if controllers:
            tasks.append(asyncio.create_task(all_controllers.run(api.local, root_ca=api.root_ca)))
            tasks.append(asyncio.create_task(pretend_to_run(api.local)))
        if nodes:
            await api.local.create(resources.NODES, NODE)
            await api.local.patch(resources.NODES, "sandbox", None, {"status": NODE_STATUS}, subresource="status")
        ready.set()
        await stop.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await api.stop()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), name="control plane")
    thread.start()
    try:
        assert ready.wait(10), "the control plane did not start"
        yield ControlPlane(kubeconfig=kubeconfig, client=client.Client.from_kubeconfig(kubeconfig))
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


async def pretend_to_run(api: LocalApi) -> None:
    """A kubelet of sorts: pods that a controller made run and are ready; deleted ones are gone."""
    listed = await api.list(resources.PODS)
    addresses = iter(f"10.1.{n >> 8}.{n & 255}" for n in range(1, 60_000))
    async for event in api.watch(resources.PODS, since=listed["metadata"]["resourceVersion"]):
        pod = event.object
        if event.type not in ("ADDED", "MODIFIED") or pod["spec"]["schedulerName"] != "default-scheduler":
            continue
        name, namespace = resources.name_of(pod), resources.namespace_of(pod)
        if pod["metadata"].get("deletionTimestamp"):
            await api.delete(resources.PODS, name, namespace, grace=0)
        elif resources.owner_of(pod) and pod["status"]["phase"] == "Pending":
            address = next(addresses)
            status = {
                "phase": "Running",
                "podIP": address,
                "podIPs": [{"ip": address}],
                "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
            }
            await api.patch(resources.PODS, name, namespace, {"status": status}, subresource="status")
