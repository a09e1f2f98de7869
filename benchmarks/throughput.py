"""Requests a second through gateway and sidecar to an app, and through two Envoys in a row that do nothing.

What the mesh takes beyond those is the price of its work.
"""

import asyncio
import statistics
import time
from collections.abc import Mapping

from benchmarks import bare, result
from benchmarks.private import PrivateLab
from labkit.kube import resources
from labkit.sandbox.apps import calls, channel

BAR = 0.75

SECONDS = 4.0
"""How long one round lasts."""

ROUNDS = 3
"""All ways take turns, so that a slow moment of the machine hits all."""

WORKERS = 16

PORT = 9080

PATHS = {"product list": "/api/v1/products", "product page": "/productpage"}
"""What the gateway exposes of productpage: it answers the list alone, in some 30 µs, so what is measured is
the mesh; for the page it calls two other apps, and that is what a person sees."""

BARRED = ("product list",)
"""For the page the apps behind it, and the calls between them, are what takes the time."""


def measure(lab: PrivateLab) -> list[result.Result]:
    """Medians of several rounds, and their ratio."""
    gateway = lab.status()["gateway_url"]
    pods = lab.client().list(resources.PODS, "default", labels="app=productpage")
    run = lab.paths.state / "pods" / resources.uid_of(pods[0]) / "run"
    rows = []
    with bare.pair(run, PORT) as bare_url:
        for name, path in PATHS.items():
            ways = {"through gateway and sidecar": gateway, "through two bare Envoys": bare_url}
            rates = _in_turns({way: url + path for way, url in ways.items()})
            meshed, empty = (statistics.median(rates[way]) for way in ways)
            rows += [result.median(f"{name}, {way}", rates[way], unit="requests/s") for way in ways]
            bar = BAR if name in BARRED else None
            rows.append(result.Result(name=f"{name}, share of the bare ones", value=meshed / empty, at_least=bar))
    return rows


def _in_turns(urls: Mapping[str, str]) -> dict[str, list[float]]:
    """Rates of several rounds by way."""
    rounds = [{way: asyncio.run(rate(url)) for way, url in urls.items()} for _ in range(ROUNDS)]
    return {way: [one[way] for one in rounds] for way in urls}


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
