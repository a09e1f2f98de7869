"""``./lab status``: what runs, what it weighs and where to reach it."""

import argparse
import dataclasses
import json
import time
from typing import Any

from labkit.base import settings
from labkit.cli import jupyter
from labkit.clusters import cluster, sandbox
from labkit.kube import status as refusals

MEBIBYTE = 1024 * 1024


def options(parser: argparse.ArgumentParser) -> None:
    """The options of ``status``."""
    parser.add_argument("--json", action="store_true", help="for programs")


def run(arguments: argparse.Namespace) -> int:
    """Print it; exit code 0 when the sandbox runs, 3 when it does not (as service managers do)."""
    facts = report(settings.Paths())
    print(json.dumps(facts, indent=2) if arguments.json else as_text(facts))
    return 0 if facts["running"] else 3


def report(paths: settings.Paths) -> dict[str, Any]:
    """Everything there is to tell, as plain data."""
    sandbox_process = sandbox.running(paths)
    table = sandbox.process_table(paths)
    page = jupyter.running(paths)
    return {
        "running": sandbox_process is not None,
        "uptime_seconds": round(time.time() - sandbox_process["started"], 1) if sandbox_process else None,
        "kubeconfig": str(paths.kubeconfig),
        "api_url": f"https://127.0.0.1:{sandbox_process['port']}" if sandbox_process else None,
        "gateway_url": _gateway_url(paths) if sandbox_process else None,
        "jupyter_url": jupyter.url(paths, page) if page else None,
        "total_pss_bytes": sum(p.pss_bytes for p in table),
        "processes": [dataclasses.asdict(p) for p in table],
    }


def as_text(facts: dict[str, Any]) -> str:
    """The report for people."""
    if not facts["running"]:
        return f"The sandbox does not run ({facts['kubeconfig']}).\nNext: ./lab up"
    lines = [
        f"The sandbox has run for {facts['uptime_seconds']:.0f} s.",
        f"  kubeconfig  {facts['kubeconfig']}",
        f"  API         {facts['api_url']}",
        f"  Bookinfo    {facts['gateway_url'] + '/productpage' if facts['gateway_url'] else 'not exposed'}",
        f"  JupyterLab  {facts['jupyter_url'] or 'does not run'}",
        "",
        f"  {'process':<64}{'pid':>8}{'PSS MiB':>10}",
    ]
    for process in facts["processes"]:
        size = process["pss_bytes"] / MEBIBYTE
        lines.append(f"  {process['name']:<64}{process['pid']:>8}{size:>10.1f}")
    lines.append(f"  {'together':<72}{facts['total_pss_bytes'] / MEBIBYTE:>10.1f}")
    return "\n".join(lines)


def _gateway_url(paths: settings.Paths) -> str | None:
    from labkit.install import gateway

    try:
        return gateway.url(cluster.Cluster(kubeconfig=paths.kubeconfig, is_sandbox=True).client())
    except refusals.StatusError:
        return None
