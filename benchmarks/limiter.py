"""The rate limit service: answers a second, how long the slowest take, and memory under a million counters.

It is asked as a proxy asks it, by gRPC at its pod, and counts in the stand-in for Redis: two sidecars are on the way.
"""

import asyncio
import statistics
import subprocess
import sys
import time
from typing import Any

import grpc

from benchmarks import result
from benchmarks.private import PrivateLab
from labkit.base import settings
from labkit.install import kinds
from labkit.kube import manifests, resources
from labkit.mesh import messages
from labkit.sandbox.apps.ratelimit import service

MANIFEST = settings.CHECKOUT / "notebooks" / "manifests" / "ratelimit.yaml"
PORT = 8081
SECONDS = 4.0
WORKERS = 16
KEYS = 1_000_000
MEMORY = 120
"""MB, the interpreter's own ten included."""

COUNT = f"""
import resource
from labkit.sandbox.apps import redis
store = redis.Store()
for number in range({KEYS}):
    store.do(["INCRBY", f"bookinfo_tenant_{{number:07d}}_1700000000", "1"])
    store.do(["EXPIRE", f"bookinfo_tenant_{{number:07d}}_1700000000", "60"])
print(len(store), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def measure(lab: PrivateLab) -> list[result.Result]:
    """Answers a second with their 99th percentile, and megabytes."""
    api = lab.client()
    kinds.apply_all(api, manifests.read(MANIFEST), namespace="default")
    kinds.until_rolled_out(api, ["redis", "ratelimit"], "default", timeout=60.0)
    pods = api.list(resources.PODS, "default", labels="app=ratelimit")
    took = asyncio.run(_asked(f"{pods[0]['status']['podIP']}:{PORT}"))
    ran = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, check=True, timeout=300)
    held, memory = ran.stdout.split()
    slowest = statistics.quantiles(took, n=100)[98] * 1000
    how = f"{WORKERS} callers at once"
    note = f"{int(held):,} of {KEYS:,} keys are held"
    return [
        result.Result(name="rate limit service", value=len(took) / SECONDS, unit="answers/s", note=how),
        result.Result(name="rate limit service, 99 of 100 within", value=slowest, unit="ms", note=how),
        result.Result(name="counters of a million keys", value=float(memory), unit="MB", at_most=MEMORY, note=note),
    ]


async def _asked(address: str) -> list[float]:
    """Seconds of every answer in a few seconds."""
    request = messages.message_class(service.REQUEST)(domain="bookinfo")
    request.descriptors.add().entries.add(key="tenant", value="gold")
    took: list[float] = []
    async with grpc.aio.insecure_channel(address) as channel:
        ask: Any = channel.unary_unary(
            f"/{service.SERVICE}/ShouldRateLimit",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=messages.message_class(service.RESPONSE).FromString,
        )
        try:
            await ask(request, timeout=30, wait_for_ready=True)
        except grpc.aio.AioRpcError as e:
            raise RuntimeError(f"the service at {address} answers {e.code().name}: {e.details()}") from e
        end = time.monotonic() + SECONDS

        async def caller() -> None:
            while (began := time.monotonic()) < end:
                await ask(request, timeout=10)
                took.append(time.monotonic() - began)

        await asyncio.gather(*(caller() for _ in range(WORKERS)))
    return took
