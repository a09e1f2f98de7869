"""The command line of the lab's istioctl."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from labkit.base import choice, errors, programs, settings
from labkit.clusters import terminals
from labkit.istioctl import (
    admin,
    analyze,
    authz,
    bug_report,
    describe,
    injecting,
    installing,
    proxy_status,
    remote,
    tags,
    validate,
    version,
    waypoint,
    ztunnel_config,
)
from labkit.istioctl.proxyconfig.commands import PARTS
from labkit.istioctl.session import CommandError, Session

Run = Callable[[Session, argparse.Namespace], int]
Options = Callable[[argparse.ArgumentParser], None]

COMMANDS: dict[str, tuple[tuple[str, ...], Options, Run]] = {
    "analyze": (("analyse",), analyze.options, analyze.run),
    "proxy-status": (("ps",), proxy_status.options, proxy_status.run),
    "version": ((), version.options, version.run),
    "validate": (("v",), validate.options, validate.run),
    "kube-inject": ((), injecting.options, injecting.run),
    "install": (("apply",), installing.options, installing.install),
    "upgrade": ((), installing.options, installing.upgrade),
    "uninstall": ((), installing.options, installing.uninstall),
    "tag": ((), tags.options, tags.run),
    "bug-report": ((), bug_report.options, bug_report.run),
    "remote-clusters": ((), remote.nothing, remote.clusters),
}
EXPERIMENTAL: dict[str, tuple[tuple[str, ...], Options, Run]] = {
    "describe": (("des",), describe.options, describe.run),
    "precheck": ((), remote.nothing, remote.precheck),
    "check-inject": ((), remote.check_inject_options, remote.check_inject),
}
NESTED: dict[str, dict[str, tuple[tuple[str, ...], Options, Run]]] = {
    "admin": {"log": (("l",), admin.options, admin.run)},
    "waypoint": waypoint.PARTS,
    "authz": {"check": ((), authz.options, authz.run)},
    "ztunnel-config": ztunnel_config.PARTS,
}


class _Parser(argparse.ArgumentParser):
    """Refuses in istioctl's words, with its exit code."""

    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message}\nNext: {self.prog} --help")


def _parser() -> _Parser:
    shared = _Parser(add_help=False)
    for flags, name in (
        (("-n", "--namespace"), "namespace"),
        (("-i", "--istioNamespace"), "istio_namespace"),
        (("-c", "--kubeconfig"), "kubeconfig"),
        (("--context",), "context"),
        (("--vklog",), "vklog"),
        (("--as",), "as_user"),
    ):
        shared.add_argument(*flags, dest=name, default=argparse.SUPPRESS)
    top = _Parser(prog="istioctl", parents=[shared], description="The lab's own stand-in for Istio's command line.")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)

    def add(
        place: "argparse._SubParsersAction[_Parser]", name: str, entry: tuple[tuple[str, ...], Options, Run]
    ) -> None:
        aliases, options, run = entry
        sentence = (run.__doc__ or "").strip().splitlines()[0]
        one = place.add_parser(name, aliases=list(aliases), parents=[shared], help=sentence, description=sentence)
        options(one)
        one.set_defaults(run=run, part=name)

    def group(
        place: "argparse._SubParsersAction[_Parser]", name: str, *aliases: str
    ) -> "argparse._SubParsersAction[_Parser]":
        one = place.add_parser(name, aliases=list(aliases), parents=[shared])
        return one.add_subparsers(dest=f"{name}_part", metavar="PART", required=True, parser_class=_Parser)

    for name, entry in (*COMMANDS.items(), *EXPERIMENTAL.items()):
        add(commands, name, entry)
    proxy_config = group(commands, "proxy-config", "pc")
    for name, entry in PARTS.items():
        add(proxy_config, name, entry)
    experimental = group(commands, "experimental", "x", "exp")
    for name, entry in (*COMMANDS.items(), *EXPERIMENTAL.items()):
        add(experimental, name, entry)
    for place in (commands, experimental):
        for name, parts in NESTED.items():
            inner = group(place, name)
            for part, entry in parts.items():
                add(inner, part, entry)
    manifest = group(commands, "manifest")
    add(manifest, "generate", ((), installing.options, installing.generate))
    add(manifest, "install", ((), installing.options, installing.install))
    add(group(commands, "profile"), "list", ((), remote.nothing, remote.profiles))
    return top


def run(
    words: Sequence[str], *, kubeconfig: Path, context: str | None = None, namespace: str = "default", text: str = ""
) -> programs.Output:
    """Run a command line on a cluster; its words and its exit code. ``text`` is its standard input."""
    session = Session(kubeconfig=kubeconfig, context=context, namespace=namespace, text=text)
    try:
        arguments = _parser().parse_args(list(words))
        session.namespace = getattr(arguments, "namespace", namespace)
        session.istio_namespace = getattr(arguments, "istio_namespace", session.istio_namespace)
        session.kubeconfig = Path(getattr(arguments, "kubeconfig", kubeconfig)).expanduser()
        session.context = getattr(arguments, "context", context)
        code = arguments.run(session, arguments)
    except errors.LabError as e:
        session.note(f"Error: {e}")
        code = 1
    return programs.Output(code=code, out="".join(session.out), err="".join(session.err))


def place() -> choice.Choice:
    """The cluster of ``KUBECONFIG``; as ``./lab env`` sets it, and without it, the one that the lab has chosen."""
    first = os.environ.get("KUBECONFIG", "").partition(os.pathsep)[0]
    # Of several files ours comes first, and says no more than which context of the next one was chosen.
    if first in ("", str(terminals.file(settings.Paths()))):
        return choice.current()
    return choice.Choice(kubeconfig=Path(first))


def main(words: Sequence[str]) -> int:
    """Run on this terminal."""
    reads = any(word == "-" for word in words) or ("-y" not in words and {"install", "uninstall", "upgrade"} & {*words})
    text = sys.stdin.read() if reads and not sys.stdin.isatty() else ""
    named = place()
    done = run(
        words,
        kubeconfig=named.kubeconfig or settings.Paths().kubeconfig,
        context=named.context,
        namespace=named.namespace,
        text=text,
    )
    sys.stdout.write(done.out)
    sys.stderr.write(done.err)
    return done.code
