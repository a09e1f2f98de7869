"""``./lab up``: from nothing to a notebook with traffic to look at; safe to repeat."""

import argparse
import html
import os
import webbrowser
from pathlib import Path

from labkit.base import errors, private, settings
from labkit.cli import copies, jupyter, progress
from labkit.clusters import cluster, sandbox


def options(parser: argparse.ArgumentParser) -> None:
    """The options of ``up``."""
    parser.add_argument("--no-browser", action="store_true", help="print the addresses, open nothing")
    parser.add_argument("--no-jupyter", action="store_true", help="the cluster only")
    parser.add_argument("--empty", action="store_true", help="a cluster without Istio and Bookinfo")
    parser.add_argument("--kubeconfig", type=Path, help="use this cluster, which has Istio, instead of the sandbox")
    parser.add_argument("--context", help="a context in that file")


def run(arguments: argparse.Namespace) -> int:
    """Bring up what is missing and say where it is."""
    paths = settings.Paths()
    steps = progress.Progress()
    _choose(arguments)
    with sandbox.one_at_a_time(paths, on_wait=steps.waits):
        chosen = _cluster(paths, steps)
        gateway = "" if arguments.empty else _course(chosen, steps)
        page, news = "", []
        if not arguments.no_jupyter:
            news = copies.refresh()
            with steps.step("JupyterLab"):
                page = jupyter.start(paths)
    print()
    for sentence in [*sandbox.notices(paths), *news]:
        print(f"  {sentence}")
    if page:
        print(f"  JupyterLab  {page}")
    if gateway:
        print(f"  Bookinfo    {gateway}/productpage")
    print('  kubectl     eval "$(./lab env)" && kubectl get pods')
    print("  stop        ./lab down")
    if page and not arguments.no_browser:
        webbrowser.open(_door(paths, page))
    return 0


def _door(paths: settings.Paths, page: str) -> str:
    """A private file that leads to JupyterLab: an address with the token would stand on the browser's command line."""
    file = paths.run / "open.html"
    private.write(file, f'<!doctype html><meta http-equiv="refresh" content="0; url={html.escape(page)}">'.encode())
    return file.as_uri()


def _choose(arguments: argparse.Namespace) -> None:
    """Remember another cluster where JupyterLab, its kernels and ``Lab.connect()`` look for it."""
    if arguments.kubeconfig:
        os.environ["LABKIT_KUBECONFIG"] = str(arguments.kubeconfig.expanduser().resolve())
    if arguments.context:
        os.environ["LABKIT_CONTEXT"] = arguments.context


def _cluster(paths: settings.Paths, steps: progress.Progress) -> cluster.Cluster:
    named = settings.kubeconfig_asked_for()
    if named is None:
        with steps.step("Sandbox: a Kubernetes API on 127.0.0.1"):
            return sandbox.start(paths)
    if not named.is_file():
        raise errors.SetupError(f"There is no kubeconfig {named}.", next_step="name a file: ./lab up --kubeconfig FILE")
    with steps.step(f"The cluster of {named}"):
        return cluster.of_kubeconfig(named, context=settings.context_asked_for())


def _course(chosen: cluster.Cluster, steps: progress.Progress) -> str:
    """Istio, Bookinfo and the gateway; the gateway's address."""
    from labkit.install import bookinfo, gateway, istio

    api = chosen.client()
    with steps.step("Istio: istiod and the ingress gateway"):
        istio.install(api)
    with steps.step("Bookinfo: four services, six pods with sidecars"):
        bookinfo.deploy(api, "default")
    with steps.step("Gateway: Bookinfo answers from outside"):
        address = gateway.expose(api, "default")
    return str(address)
