"""``./lab status``: which cluster the lab speaks to, what runs, what it weighs and where to reach it."""

import argparse
import dataclasses
import json
import time
from typing import Any

from labkit.base import choice, errors, settings
from labkit.cli import jupyter
from labkit.clusters import cluster, sandbox
from labkit.kube import status as refusals

MEBIBYTE = 1024 * 1024


def options(parser: argparse.ArgumentParser) -> None:
    """The options of ``status``."""
    parser.add_argument("--json", action="store_true", help="for programs")


def run(arguments: argparse.Namespace) -> int:
    """Print it; exit code 0 when the chosen cluster answers, 3 when it does not (as service managers do)."""
    paths = settings.Paths()
    chosen = choice.current(paths)
    facts = report(paths) if chosen.kubeconfig is None else report_of(paths, chosen)
    print(json.dumps(facts, indent=2) if arguments.json else as_text(facts))
    return 0 if facts["running"] else 3


def report_of(paths: settings.Paths, chosen: choice.Choice) -> dict[str, Any]:
    """Of a cluster that is not the sandbox, with the same keys; ``running`` says whether it answers."""
    from labkit.install import presence

    page = jupyter.running(paths)
    facts: dict[str, Any] = {
        "running": False,
        "cluster": str(chosen),
        "problem": None,
        "istio": None,
        "uptime_seconds": None,
        "kubeconfig": str(chosen.kubeconfig),
        "context": chosen.context,
        "namespace": chosen.namespace,
        "api_url": None,
        "gateway_url": None,
        "jupyter_url": jupyter.url(paths, page) if page else None,
        "total_pss_bytes": 0,
        "processes": [],
    }
    try:
        api = cluster.of_choice(chosen).client()
        answering = facts | {"running": True, "api_url": api.server, "istio": str(presence.of(api))}
        return answering | {"gateway_url": _gateway_url(cluster.of_choice(chosen))}
    except errors.LabError as e:
        return facts | {"problem": str(e)}


def report(paths: settings.Paths) -> dict[str, Any]:
    """Of the sandbox: everything there is to tell, as plain data."""
    sandbox_process = sandbox.running(paths)
    table = sandbox.process_table(paths)
    page = jupyter.running(paths)
    return {
        "running": sandbox_process is not None,
        "cluster": "the sandbox",
        "uptime_seconds": round(time.time() - sandbox_process["started"], 1) if sandbox_process else None,
        "kubeconfig": str(paths.kubeconfig),
        "api_url": f"https://127.0.0.1:{sandbox_process['port']}" if sandbox_process else None,
        "gateway_url": _gateway_url(cluster.of_sandbox(paths.kubeconfig)) if sandbox_process else None,
        "jupyter_url": jupyter.url(paths, page) if page else None,
        "total_pss_bytes": sum(p.pss_bytes for p in table),
        "processes": [dataclasses.asdict(p) for p in table],
    }


def as_text(facts: dict[str, Any]) -> str:
    """The report for people."""
    if facts.get("problem"):
        return f"The lab speaks to {facts['cluster']}, which does not answer.\n{facts['problem']}"
    if not facts["running"]:
        return f"The sandbox does not run ({facts['kubeconfig']}).\nNext: ./lab up"
    page = facts["gateway_url"] + "/productpage" if facts["gateway_url"] else "not exposed"
    since = f"The sandbox has run for {facts['uptime_seconds']:.0f} s." if facts["uptime_seconds"] is not None else ""
    lines = [
        since or f"The lab speaks to {facts['cluster']}.",
        f"  kubeconfig  {facts['kubeconfig']}",
        f"  API         {facts['api_url']}",
        *([f"  Istio       {facts['istio']}"] if facts.get("istio") else []),
        f"  Bookinfo    {page}",
        f"  JupyterLab  {facts['jupyter_url'] or 'does not run'}",
    ]
    if not facts["processes"]:
        return "\n".join(lines)
    lines += ["", f"  {'process':<64}{'pid':>8}{'PSS MiB':>10}"]
    for process in facts["processes"]:
        size = process["pss_bytes"] / MEBIBYTE
        lines.append(f"  {process['name']:<64}{process['pid']:>8}{size:>10.1f}")
    lines.append(f"  {'together':<72}{facts['total_pss_bytes'] / MEBIBYTE:>10.1f}")
    return "\n".join(lines)


def _gateway_url(asked: cluster.Cluster) -> str | None:
    from labkit.install import gateway

    try:
        return gateway.url(asked.client())
    except refusals.StatusError:
        return None
