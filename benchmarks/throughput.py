"""Requests a second through gateway and sidecar to an app, beside the same app asked directly."""

import asyncio
import ipaddress
import statistics
import time

from benchmarks import result
from benchmarks.private import PrivateLab
from labkit.kube import resources
from labkit.sandbox.apps import calls, channel

BAR = 0.25

SECONDS = 4.0
"""How long one round lasts."""

ROUNDS = 3
"""Both ways take turns, so that a slow moment of the machine hits both."""

WORKERS = 16

PATHS = {"product list": "/api/v1/products", "product page": "/productpage"}
"""What the gateway exposes of productpage: it answers the list alone, in some 30 µs, so what is measured is
the mesh; for the page it calls two other apps, and that is what a person sees."""


def measure(lab: PrivateLab) -> list[result.Result]:
    """Medians of several rounds, and their ratio."""
    gateway = lab.status()["gateway_url"]
    pods = lab.client().list(resources.PODS, "default", labels="app=productpage")
    direct = f"http://{twin(pods[0]['status']['podIP'])}:9080"
    found = []
    for name, path in PATHS.items():
        alone, meshed = _both_ways(path, direct=direct, gateway=gateway)
        share = statistics.median(meshed) / statistics.median(alone)
        found += [
            result.median(f"{name}, asked directly", alone, unit="requests/s"),
            result.median(f"{name}, through gateway and sidecar", meshed, unit="requests/s"),
            result.Result(name=f"{name}, share left through the mesh", value=share, at_least=BAR),
        ]
    return found


def _both_ways(path: str, *, direct: str, gateway: str) -> tuple[list[float], list[float]]:
    """Rates of several rounds, directly and through the gateway."""
    pairs = [(asyncio.run(rate(direct + path)), asyncio.run(rate(gateway + path))) for _ in range(ROUNDS)]
    return [alone for alone, _ in pairs], [meshed for _, meshed in pairs]


def twin(pod_ip: str) -> str:
    """Where the app behind a sidecar listens: ``127.66.0.5`` gives ``127.67.0.5``."""
    return str(ipaddress.IPv4Address(pod_ip) + 2**16)


async def rate(url: str) -> float:
    """Good answers a second; RuntimeError when there are others."""
    outcomes: list[calls.Outcome] = []
    plan = calls.Plan(workers=WORKERS, duration=SECONDS)
    began = time.monotonic()
    await calls.run(channel.call("GET", url), plan, outcomes.append)
    took = time.monotonic() - began
    bad = [o for o in outcomes if o.reply is None or o.reply.status != 200]
    if bad:
        seen = bad[0].reply.status if bad[0].reply else bad[0].error
        raise RuntimeError(f"{len(bad)} of {len(outcomes)} answers of {url} were not 200: {seen}")
    return len(outcomes) / took
