"""Memory of a lab that watches itself: with Prometheus and tracing, and after 200,000 requests."""

import asyncio
import time

from benchmarks import idle, result, throughput
from benchmarks.private import PrivateLab
from labkit import Lab
from labkit.sandbox.apps import calls, channel

WHOLE_BAR = 450.0
"""MB of PSS: the lab with Bookinfo, Prometheus, Jaeger and every request traced."""

REQUESTS = 200_000
WARM = 20_000
"""Requests until what is kept has its size: each leaves spans, of which Jaeger keeps the newest 6,000."""

FLAT_BAR = 5.0
"""Per cent by which everything may grow over all requests."""

PATH = "/api/v1/products"
STORED = 3.5
"""Seconds until Prometheus has read the last of them."""


def measure(lab: PrivateLab) -> list[result.Result]:
    """Both; the addons stay until the lab goes down."""
    connected = Lab.connect(lab.paths.kubeconfig)
    connected.install_addon("prometheus")
    connected.install_addon("jaeger")
    connected.tracing(1.0)
    connected.send("/productpage", count=200, rate=50)
    time.sleep(idle.SETTLE)
    whole, note = _memory(lab)
    url = lab.status()["gateway_url"] + PATH
    connected.tracing(100.0)
    asyncio.run(_send(url, WARM))
    connected.tracing(1.0)
    time.sleep(STORED)
    before, _ = _memory(lab)
    asyncio.run(_send(url, REQUESTS))
    time.sleep(STORED)
    after, grown = _memory(lab)
    return [
        result.Result(
            name="memory, with Prometheus and tracing", value=whole, unit="MB PSS", at_most=WHOLE_BAR, note=note
        ),
        result.Result(
            name=f"growth of all memory over {REQUESTS:,} requests",
            value=100 * (after - before) / before,
            unit="%",
            at_most=FLAT_BAR,
            note=f"{before:.0f} to {after:.0f} MB; {grown}",
        ),
    ]


async def _send(url: str, count: int) -> None:
    """Exactly so many; RuntimeError when some are not answered with 200."""
    outcomes = {"good": 0, "bad": 0}

    def count_in(outcome: calls.Outcome) -> None:
        outcomes["good" if outcome.reply is not None and outcome.reply.status == 200 else "bad"] += 1

    await calls.run(channel.call("GET", url), calls.Plan(workers=throughput.WORKERS, count=count), count_in)
    if outcomes["bad"]:
        raise RuntimeError(f"{outcomes['bad']} of {count} answers were not 200")


def _memory(lab: PrivateLab) -> tuple[float, str]:
    """Megabytes of everything, and the three heaviest."""
    processes = lab.status()["processes"]
    heaviest = sorted(processes, key=lambda process: -process["pss_bytes"])[:3]
    note = ", ".join(f"{p['name'].rpartition('/')[2]} {p['pss_bytes'] / idle.MEGABYTE:.0f}" for p in heaviest)
    return sum(p["pss_bytes"] for p in processes) / idle.MEGABYTE, note
