"""What Istio's metrics cost: requests a second with and without them, and memory after many requests.

Rates lean on what else the machine does, so both ways take turns; processor time of the Envoys does not.
"""

import asyncio
import os
import statistics
import time
from pathlib import Path

from benchmarks import result, throughput
from benchmarks.private import PrivateLab
from labkit.install import kinds
from labkit.kube import resources

BAR = 0.9
ROUNDS = 4
PATH = "/api/v1/products"
SETTLES = 2.0
"""Seconds for a change to reach both proxies."""

OFF = {
    "apiVersion": "telemetry.istio.io/v1",
    "kind": "Telemetry",
    "metadata": {"name": "uncounted", "namespace": "istio-system"},
    "spec": {"metrics": [{"providers": [{"name": "prometheus"}], "overrides": [{"disabled": True}]}]},
}


def measure(lab: PrivateLab) -> list[result.Result]:
    """Rates and processor time by turns, and what a proxy's memory grew by."""
    url, api = lab.status()["gateway_url"] + PATH, lab.client()
    rates: dict[bool, list[float]] = {True: [], False: []}
    costs: dict[bool, list[float]] = {True: [], False: []}
    before = sum(map(_memory, _envoys(lab)))
    for _ in range(ROUNDS):
        for is_counted in (True, False):
            if is_counted:
                api.delete(resources.TELEMETRIES, "uncounted", "istio-system")
            else:
                kinds.apply_all(api, [OFF])
            time.sleep(SETTLES)
            spent = sum(map(_seconds, _envoys(lab)))
            rate = asyncio.run(throughput.rate(url))
            rates[is_counted].append(rate)
            took = sum(map(_seconds, _envoys(lab))) - spent
            costs[is_counted].append(took / (rate * throughput.SECONDS) * 1e6)
    api.delete(resources.TELEMETRIES, "uncounted", "istio-system")
    grown = sum(map(_memory, _envoys(lab))) - before
    share = statistics.median(rates[True]) / statistics.median(rates[False])
    extra = statistics.median(costs[True]) - statistics.median(costs[False])
    return [
        result.Result(name="requests/s with metrics, share of those without", value=share, at_least=BAR),
        result.Result(name="processor time of metrics at gateway and sidecar", value=extra, unit="µs/request"),
        result.Result(name="memory that all Envoys gained by these requests", value=grown / (1 << 20), unit="MB"),
    ]


def _envoys(lab: PrivateLab) -> list[Path]:
    """The processes of this lab's Envoys."""
    own = str(lab.paths.home)
    processes = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            is_envoy = (process / "cmdline").read_bytes().startswith(b"envoy\0")
            if is_envoy and own in str((process / "cwd").readlink()):
                processes.append(process)
        except OSError:
            continue
    return processes


def _seconds(process: Path) -> float:
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(process: Path) -> int:
    """Bytes in memory that are the process's own."""
    return int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
