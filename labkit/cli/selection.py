"""The options that name a cluster, and what they mean."""

import argparse
from dataclasses import replace
from pathlib import Path

from labkit.base import choice, errors, settings, versions
from labkit.clusters import cluster, contexts, sandbox
from labkit.clusters import kind as kinds

CLUSTERS = "sandbox, kind, or context:NAME for a context of your own kubeconfig"


def options(parser: argparse.ArgumentParser) -> None:
    """Which cluster; without any of them the one that was chosen last, at first the sandbox."""
    named = parser.add_argument_group("which cluster; the lab remembers it")
    named.add_argument("--cluster", metavar="WHICH", help=CLUSTERS)
    named.add_argument("--kubeconfig", type=Path, metavar="FILE", help="a kubeconfig of a cluster that has Istio")
    named.add_argument("--context", metavar="NAME", help="a context in that file")
    named.add_argument("--namespace", metavar="NAME", help="where the course's application goes (default)")


def of(arguments: argparse.Namespace, paths: settings.Paths) -> choice.Choice:
    """What the options name, else the current choice; nothing is changed or contacted."""
    current = choice.current(paths)
    which, file = arguments.cluster, arguments.kubeconfig
    if which and file:
        raise errors.SetupError("--cluster and --kubeconfig both name a cluster.", next_step="leave one of them out")
    if arguments.context and not file and current.kubeconfig is None:
        raise errors.SetupError(
            f"--context {arguments.context} says no file.",
            next_step=f"./lab up --cluster context:{arguments.context}, or --kubeconfig FILE --context NAME",
        )
    named = _named(which, paths) if which else _file(file, arguments.context) if file else current
    if arguments.context and not file and not which:
        named = _file(named.kubeconfig, arguments.context)
    return replace(named, namespace=arguments.namespace) if arguments.namespace else named


def _named(which: str, paths: settings.Paths) -> choice.Choice:
    kind, _, name = which.partition(":")
    if which == "sandbox":
        return choice.SANDBOX
    if which == "kind":
        record = kinds.recorded(paths)
        name = record.name if record else str(versions.pinned()["cluster"])
        return choice.Choice(kubeconfig=kinds.kubeconfig(paths), context=kinds.context(name), kind_cluster=name)
    if kind == "context" and name:
        return choice.Choice(kubeconfig=contexts.in_users_own(name).resolve(), context=name)
    raise errors.SetupError(f"There is no cluster {which!r}.", next_step=f"--cluster {CLUSTERS}")


def _file(file: Path | None, context: str | None) -> choice.Choice:
    assert file is not None
    place = file.expanduser().absolute()
    return choice.Choice(kubeconfig=place, context=contexts.chosen(place, contexts.read(place), named=context).name)


def connected(paths: settings.Paths, chosen: choice.Choice) -> cluster.Cluster:
    """The cluster of a choice; a sandbox is started if it does not run."""
    return sandbox.start(paths) if chosen.kubeconfig is None else cluster.of_choice(chosen)
