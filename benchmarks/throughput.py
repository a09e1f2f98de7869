"""Requests a second through gateway and sidecar to an app, and through two Envoys in a row that do nothing.

What the mesh takes beyond those is the price of its work; ``docs/throughput.md`` has its parts.
"""

import asyncio
import time
from collections.abc import Mapping

from benchmarks import bare, result
from benchmarks.private import PrivateLab
from labkit.kube import resources
from labkit.sandbox.apps import calls, channel

BAR = 0.75
"""Share of the bare Envoys' requests."""

RATE = 4000.0
"""Requests a second."""

SECONDS = 4.0
"""How long one round lasts, where a benchmark asks for no other length."""

ROUNDS, TURN = 8, 1.5
"""Rounds, and how many seconds each way has in one: so short that a slow moment of the machine hits both ways."""

WORKERS = 16

PORT = 9080

PATHS = {"product list": "/api/v1/products", "product page": "/productpage"}
"""What the gateway exposes of productpage: it answers the list alone, in some 30 µs, so what is measured is
the mesh; for the page it calls two other apps, and that is what a person sees."""

BARRED = ("product list",)
"""For the page the apps behind it, and the calls between them, are what takes the time."""


def measure(lab: PrivateLab) -> list[result.Result]:
    """Medians of several rounds, and of the ways' ratio in each."""
    gateway = lab.status()["gateway_url"]
    pods = lab.client().list(resources.PODS, "default", labels="app=productpage")
    run = lab.paths.state / "pods" / resources.uid_of(pods[0]) / "run"
    rows = []
    with bare.pair(run, PORT) as bare_url:
        for name, path in PATHS.items():
            ways = {"through gateway and sidecar": gateway, "through two bare Envoys": bare_url}
            rates = _in_turns({way: url + path for way, url in ways.items()})
            meshed, empty = (rates[way] for way in ways)
            shares = [ours / theirs for ours, theirs in zip(meshed, empty, strict=True)]
            share, rate = (BAR, RATE) if name in BARRED else (None, None)
            through, bare_ones = ways
            rows.append(result.median(f"{name}, {through}", meshed, unit="requests/s", at_least=rate))
            rows.append(result.median(f"{name}, {bare_ones}", empty, unit="requests/s"))
            rows.append(result.median(f"{name}, share of the bare ones", shares, at_least=share))
    return rows


def _in_turns(urls: Mapping[str, str]) -> dict[str, list[float]]:
    """Rates of several rounds by way."""
    rounds = [{way: asyncio.run(rate(url, TURN)) for way, url in urls.items()} for _ in range(ROUNDS)]
    return {way: [one[way] for one in rounds] for way in urls}


async def rate(url: str, seconds: float = SECONDS) -> float:
    """Good answers a second; RuntimeError when there are others."""
    outcomes: list[calls.Outcome] = []
    plan = calls.Plan(workers=WORKERS, duration=seconds)
    began = time.monotonic()
    await calls.run(channel.call("GET", url), plan, outcomes.append)
    took = time.monotonic() - began
    bad = [o for o in outcomes if o.reply is None or o.reply.status != 200]
    if bad:
        seen = bad[0].reply.status if bad[0].reply else bad[0].error
        raise RuntimeError(f"{len(bad)} of {len(outcomes)} answers of {url} were not 200: {seen}")
    return len(outcomes) / took
