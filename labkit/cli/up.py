"""``./lab up``: from nothing to a notebook with traffic to look at; safe to repeat."""

import argparse
import html
import webbrowser
from pathlib import Path

from labkit.base import choice, errors, private, settings
from labkit.cli import copies, jupyter, progress, selection
from labkit.clusters import capabilities, cluster, commands, images, kind, sandbox, tools


def options(parser: argparse.ArgumentParser) -> None:
    """The options of ``up``."""
    parser.add_argument("--no-browser", action="store_true", help="print the addresses, open nothing")
    parser.add_argument("--no-jupyter", action="store_true", help="the cluster only")
    parser.add_argument("--empty", action="store_true", help="a cluster without Istio and Bookinfo")
    parser.add_argument("--from", dest="stick", type=Path, metavar="DIR", help="a folder of ./lab tools save")
    parser.add_argument(
        "--profile", choices=("ambient",), help="with --cluster kind: Istio's ambient profile, for lesson 22"
    )
    selection.options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Bring up what is missing and say where it is."""
    paths = settings.Paths()
    steps = progress.Progress()
    chosen = selection.of(arguments, paths)
    with sandbox.one_at_a_time(paths, on_wait=steps.waits):
        if not arguments.no_jupyter:
            jupyter.require_free_for(paths, chosen)
        cluster = _cluster(paths, chosen, steps, arguments)
        if not arguments.empty and not cluster.can(capabilities.BUNDLED_ISTIO):
            _require_course(cluster, chosen.namespace)
        choice.remember(paths, chosen)
        gateway = "" if arguments.empty else _course(cluster, chosen.namespace, steps)
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


def _cluster(
    paths: settings.Paths, chosen: choice.Choice, steps: progress.Progress, arguments: argparse.Namespace
) -> cluster.Cluster:
    """The cluster, with what is in the way of the course said before anything is changed or remembered."""
    profile = arguments.profile or ""
    if profile and not chosen.kind_cluster:
        raise errors.SetupError(
            f"--profile {profile} is for kind clusters of the lab; on others the kit installs no Istio.",
            next_step=f"on a cluster of yours: istioctl install --set profile={profile} -y",
        )
    if chosen.kind_cluster:
        brought, istio = arguments.stick, not arguments.empty
        return _kind(paths, chosen, steps, stick=brought, profile=profile, has_istio=istio)
    what = "Sandbox: a Kubernetes API on 127.0.0.1" if chosen.kubeconfig is None else f"Cluster: {chosen}"
    with steps.step(what):
        return selection.connected(paths, chosen)


def _kind(
    paths: settings.Paths,
    chosen: choice.Choice,
    steps: progress.Progress,
    *,
    stick: Path | None,
    profile: str,
    has_istio: bool,
) -> cluster.Cluster:
    """A kind cluster, with the pinned Istio unless it is to be empty: the doctor first, then each missing step."""
    from labkit.install import istioctl
    from labkit.lab import doctor

    machine = commands.Machine(paths)
    with steps.step("Doctor: what this machine has"):
        warnings = doctor.require(doctor.examine(paths, chosen, machine, only=doctor.MACHINE))
    for name in ("kind", "istioctl"):
        if machine.path(name) is None:
            with steps.step(f"{name}, verified"):
                tools.install(paths, tools.published(name), folder=stick, on_bytes=steps.bytes)
    warnings = [*warnings, *doctor.require(doctor.examine(paths, chosen, machine, only=doctor.TOOLS))]
    for warning in warnings:
        steps.line(f"{warning.title}: {warning.seen}. {warning.next_step}")
    brought = stick if stick and images.read_index(stick) else None
    if brought:
        images.load(machine, brought, cluster=None, on_step=steps.line)
    with steps.step(f"kind: cluster {chosen.kind_cluster}"):
        api = kind.ensure(paths, machine, on_step=steps.line)
    if brought:
        images.load(machine, brought, cluster=chosen.kind_cluster, on_step=steps.line)
    if not has_istio:
        return cluster.of_choice(chosen)
    with steps.step("Istio by istioctl"):
        istioctl.ensure(
            api,
            machine,
            kubeconfig=kind.kubeconfig(paths),
            context=str(chosen.context),
            on_step=steps.line,
            profile=profile,
        )
    return cluster.of_choice(chosen)


def _require_course(cluster: cluster.Cluster, namespace: str) -> None:
    """Refuse a cluster on which the course cannot run, before anything is changed there or remembered here."""
    from labkit.install import addresses, bookinfo, gateway, istio, presence, rights
    from labkit.kube import resources

    api = cluster.client()
    presence.require(api)
    if trouble := presence.ending(capabilities.readable(api, resources.NAMESPACES, namespace)):
        raise errors.SetupError(trouble.what, next_step=trouble.next_step)
    objects = [*bookinfo.objects(), *gateway.objects()]
    rights.require(api, objects, namespace=namespace, what=f"The course cannot run in namespace {namespace}")
    addresses.require_readable(api, gateway.SERVICE, istio.NAMESPACE)


def _course(chosen: cluster.Cluster, namespace: str, steps: progress.Progress) -> str:
    """Istio, Bookinfo and the gateway; the gateway's address."""
    from labkit.install import ambient, bookinfo, gateway, istio

    api = chosen.client()
    profile = ambient if ambient.is_ours(api) else istio
    # A sandbox takes seconds for all of it; elsewhere each step may last, and something may have been left alone.
    on_step = (lambda _: None) if chosen.can(capabilities.BUNDLED_ISTIO) else steps.line
    with steps.step("Istio: istiod and the ingress gateway"):
        profile.install(api, on_step=on_step)
    with steps.step("Bookinfo: four services, six pods with sidecars"):
        bookinfo.deploy(api, namespace, on_step=on_step)
    with steps.step("Gateway: Bookinfo answers from outside"):
        address = gateway.expose(api, namespace, on_step=on_step)
    if note := gateway.note(address):
        steps.line(note)
    return str(address)
