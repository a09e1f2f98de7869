"""A container's probes and hooks, from the moment its process runs."""

import asyncio
from typing import TYPE_CHECKING

from labkit.kube.resources import Object
from labkit.sandbox.kubelet import launching, probes

if TYPE_CHECKING:
    from labkit.sandbox.kubelet.container import Container

POST_START_WITHIN = 30.0
"""Seconds a postStart hook may take here; the kubelet has no limit, and the container would hang."""


async def watch(held: "Container", process: launching.Process) -> None:
    """Run the postStart hook, then probe until cancelled; what fails for good ends the process."""
    hook = (held.spec.get("lifecycle") or {}).get("postStart")
    if hook:
        good, message = await run_hook(held, hook, within=POST_START_WITHIN)
        if not good:
            held.event("FailedPostStartHook", f"PostStartHook failed: {message}", type="Warning")
            await held.end_life(process, "FailedPostStartHook")
            return
    if (startup := held.spec.get("startupProbe")) and not await _probe(held, "Startup", startup, process):
        return
    held.see(started=True, ready=not held.spec.get("readinessProbe"))
    held.began.set()
    kinds = [("Readiness", "readinessProbe"), ("Liveness", "livenessProbe")]
    asked = [(kind, held.spec[key]) for kind, key in kinds if held.spec.get(key)]
    await asyncio.gather(*(_probe(held, kind, probe, process) for kind, probe in asked))


async def _probe(held: "Container", kind: str, probe: Object, process: launching.Process) -> bool:
    """Ask again and again. Startup returns True when it has passed; a fatal failure ends the process."""
    timing, clock = probes.Timing.of(probe), asyncio.get_running_loop().time
    await asyncio.sleep(timing.initial_delay)
    row = probes.Row(counted_at=clock())
    while True:
        good, message = await probes.ask(probe, _target(held), timing.within)
        row = row.add(good, now := clock(), timing)
        if not good and row.counted_at == now:
            held.event("Unhealthy", f"{kind} probe failed: {message}", type="Warning")
        verdict = row.verdict(timing)
        if kind == "Readiness" and verdict is not None:
            held.see(ready=verdict)
        elif kind == "Startup" and verdict:
            return True
        elif verdict is False:
            why = f"Container {held.name} failed {kind.lower()} probe, will be restarted"
            await held.end_life(process, why, grace=probe.get("terminationGracePeriodSeconds"))
            return False
        await asyncio.sleep(row.wait(timing))


def _target(held: "Container") -> probes.Target:
    network = held.owner.network
    is_redirected = network is not None and network.handed.is_prepared
    return probes.Target(
        container=held.spec,
        address=held.owner.ip,
        execute=held.execute,
        connect=network.probed if network is not None and is_redirected else None,
    )


async def run_hook(held: "Container", hook: Object, *, within: float) -> probes.Result:
    """A lifecycle hook: ``exec``, ``httpGet``, ``tcpSocket`` or ``sleep``."""
    if sleep := hook.get("sleep"):
        await asyncio.sleep(float(sleep.get("seconds", 0)))
        return True, ""
    return await probes.ask(hook, _target(held), within)
