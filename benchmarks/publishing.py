"""From applying a VirtualService to every sidecar serving it.

Each trial routes a path of its own, so a sidecar tells by itself whether it has the new rules: without
them Envoy answers 404 with an empty body, with them the app behind answers 404 with a text. The clock runs
from the request to the API server (server-side apply, the client connected before) to the answer of the
last sidecar; kubectl's own start is not part of it.
"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import result
from benchmarks.private import PrivateLab
from labkit.base import errors, waiting
from labkit.kube import client, resources
from labkit.kube.resources import Object
from labkit.sandbox.apps import channel
from labkit.sandbox.network import door
from labkit.traffic import results as traffic_results

SIZES = {8: 100.0, 48: 150.0}
"""Sidecars, and the bar in milliseconds."""

SIDECARS_OF_BOOKINFO = 6

TRIALS = 100
"""Changes for each size: enough that the 99th percentile is a measurement."""

PAUSE = 0.3
"""Seconds between trials, so that each is a change of its own."""

EVERY = 0.00025
"""Seconds between two looks, for each sidecar there is: looking must not starve what is looked at."""

LONGEST = 10.0
"""Seconds after which a trial counts as failed."""

NAME = "bench-details"


def measure(lab: PrivateLab, sizes: Sequence[int] = tuple(SIZES)) -> list[result.Result]:
    """The median over several trials, for each number of sidecars."""
    api, rows = lab.client(), []
    try:
        for size in sizes:
            name = f"apply to {size} sidecars serving it"
            try:
                _scale(lab, 1 + size - SIDECARS_OF_BOOKINFO)
                proxies = _proxies(lab, api, size)
                times = [1000 * asyncio.run(_trial(api, proxies, number)) for number in range(TRIALS + 1)]
                # The first trial creates the object and opens connections; learners mostly change one.
                note = f"99th percentile {result.number(traffic_results.percentile(times[1:], 99))}"
                rows.append(result.median(name, times[1:], unit="ms", at_most=SIZES.get(size), note=note))
            except (errors.LabError, OSError) as e:
                rows.append(result.failed(name, e, at_most=SIZES.get(size)))
    finally:
        api.delete(resources.VIRTUAL_SERVICES, NAME, "default")
        _scale(lab, 1)
    return rows


def virtual_service(trial: int) -> Object:
    """Rules for details, and for a path that only this trial has."""
    route = [{"destination": {"host": "details"}}]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": NAME, "namespace": "default"},
        "spec": {
            "hosts": ["details"],
            "http": [
                {"match": [{"uri": {"exact": f"/trial-{trial}"}}], "route": route},
                {"match": [{"uri": {"prefix": "/details"}}], "route": route},
            ],
        },
    }


async def _trial(api: client.Client, proxies: Sequence[Path], number: int) -> float:
    """Seconds from the apply to the last sidecar."""
    await asyncio.sleep(PAUSE)
    looking = asyncio.gather(*(_until_served(folder, number, every=EVERY * len(proxies)) for folder in proxies))
    began = time.monotonic()
    await asyncio.to_thread(api.apply, resources.VIRTUAL_SERVICES, virtual_service(number))
    try:
        return max(await asyncio.wait_for(looking, LONGEST)) - began
    except TimeoutError:
        raise errors.NotReadyError(
            f"trial {number} at every sidecar",
            waited=LONGEST,
            last_seen="an empty 404 from one of them",
            next_step="look at istiod's log",
        ) from None


async def _until_served(folder: Path, number: int, *, every: float) -> float:
    """The moment at which the sidecar routes this trial's path."""
    url = f"http://details:9080/trial-{number}"
    call = channel.call("GET", url, env={door.FOLDER: str(folder)})
    opened = await call.open()
    try:
        while True:
            if not opened.is_open:
                opened = await call.open()
            reply = await opened.ask(call.method, call.request)
            if reply.body:
                return time.monotonic()
            await asyncio.sleep(every)
    finally:
        opened.close()


def _scale(lab: PrivateLab, replicas: int) -> None:
    lab.kubectl("scale", "deployment/ratings-v1", f"--replicas={replicas}")
    lab.kubectl("rollout", "status", "deployment/ratings-v1", "--timeout=180s", timeout=200.0)


def _proxies(lab: PrivateLab, api: client.Client, size: int) -> list[Path]:
    """The folders with the sockets of so many ready pods with a sidecar."""

    def ready() -> list[Path]:
        pods = api.list(resources.PODS, "default")
        folders = lab.paths.state / "pods"
        return [folders / resources.uid_of(pod) / "run" for pod in pods if has_sidecar(pod) and is_ready(pod)]

    return waiting.until(
        lambda: folders if len(folders := ready()) >= size else [],
        what=f"{size} sidecars",
        timeout=60.0,
        every=0.5,
        next_step="kubectl get pods",
    )[:size]


def has_sidecar(pod: Object) -> bool:
    """Whether one of its containers, native sidecars included, is a proxy."""
    spec = pod["spec"]
    both = [*spec.get("containers", []), *spec.get("initContainers", [])]
    return any(container["name"] == "istio-proxy" for container in both)


def is_ready(pod: Object) -> bool:
    """Whether its Ready condition is true and it is not on its way out."""
    conditions = pod.get("status", {}).get("conditions", [])
    is_true = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return is_true and "deletionTimestamp" not in pod["metadata"]
