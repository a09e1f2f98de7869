"""Requests a second through gateway and sidecar to an app, beside the same app asked directly."""

import asyncio
import ipaddress
import statistics
import time

from benchmarks import result
from benchmarks.private import PrivateLab
from labkit.base import waiting
from labkit.kube import resources
from labkit.sandbox.apps import calls, channel

BAR = 0.25

SECONDS = 4.0
"""How long one round lasts."""

ROUNDS = 3
"""Both ways take turns, so that a slow moment of the machine hits both."""

WORKERS = 16

PATH = "/ratings/0"

ROUTE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: bench-ratings, namespace: default}
spec:
  hosts: ["*"]
  gateways: [bookinfo-gateway]
  http:
  - match: [{uri: {prefix: /ratings}}]
    route: [{destination: {host: ratings, port: {number: 9080}}}]
"""


def measure(lab: PrivateLab) -> list[result.Result]:
    """Medians of several rounds, and their ratio."""
    gateway = lab.status()["gateway_url"]
    lab.kubectl("apply", "-f", "-", stdin=ROUTE)
    try:
        waiting.until(
            lambda: asyncio.run(_status(gateway + PATH)) == 200,
            what="the route to ratings",
            timeout=10.0,
            next_step="look at the gateway's log",
        )
        pods = lab.client().list(resources.PODS, "default", labels="app=ratings")
        direct = f"http://{twin(pods[0]['status']['podIP'])}:9080{PATH}"
        alone, meshed = [], []
        for _ in range(ROUNDS):
            alone.append(asyncio.run(rate(direct)))
            meshed.append(asyncio.run(rate(gateway + PATH)))
        page = asyncio.run(rate(gateway + "/productpage"))
    finally:
        lab.kubectl("delete", "virtualservice", "bench-ratings", "-n", "default")
    share = statistics.median(meshed) / statistics.median(alone)
    return [
        result.median("ratings, asked directly", alone, unit="requests/s"),
        result.median("ratings, through gateway and sidecar", meshed, unit="requests/s"),
        result.Result(name="share that is left through the mesh", value=share, at_least=BAR),
        result.Result(name="product pages through the gateway", value=page, unit="requests/s"),
    ]


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


async def _status(url: str) -> int:
    outcomes: list[calls.Outcome] = []
    await calls.run(channel.call("GET", url), calls.Plan(workers=1, count=1), outcomes.append)
    return outcomes[0].reply.status if outcomes[0].reply else 0
