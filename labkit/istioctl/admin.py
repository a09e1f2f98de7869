"""``istioctl admin log``: the log levels of istiod, shown and set while it runs."""

import argparse
import json
from typing import Any

from labkit.istioctl import tables, targets
from labkit.istioctl.session import CommandError, Session
from labkit.kube import resources
from labkit.kube.resources import Object

PORT = 9876
PAGE = "/scopej/"
LEVELS = ("none", "error", "warn", "info", "debug")


def options(parser: argparse.ArgumentParser) -> None:
    """The flags of ``admin log``."""
    parser.add_argument("pod", nargs="?", default="")
    parser.add_argument("--level", default="")
    parser.add_argument("--stack-trace-level", default="")
    parser.add_argument("-r", "--reset", action="store_true")
    parser.add_argument("-o", "--output", default="short", choices=("short", "json", "yaml"))
    parser.add_argument("-l", "--selector", default="app=istiod")
    parser.add_argument("--revision", default="")
    parser.add_argument("--ctrlz_port", type=int, default=PORT)


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Show each scope of istiod with its level; ``--level ads:debug`` sets one, ``--reset`` all to info."""
    if arguments.stack_trace_level:
        raise CommandError("--stack-trace-level is not carried out: the sandbox's istiod logs no stack traces by level")
    pods = _pods(session, arguments)
    if arguments.reset or arguments.level:
        for pod in pods:
            for scope, level in _asked(session, pod, arguments):
                _page(session, pod, f"{PAGE}{scope}", method="PUT", body={"output_level": level})
        return 0
    entries = json.loads(_page(session, pods[0], PAGE))
    if arguments.output != "short":
        session.document(entries, arguments.output)
        return 0
    rows = [(e["name"], e["description"], e["output_level"]) for e in entries]
    session.print(*tables.lines(("ACTIVE SCOPE", "DESCRIPTION", "LOG LEVEL"), rows))
    return 0


def _pods(session: Session, arguments: argparse.Namespace) -> list[Object]:
    if arguments.pod:
        session.namespace = session.istio_namespace
        return [targets.pod(session, arguments.pod)]
    label = "istio.io/rev"
    pods = session.istiods()
    chosen = [p for p in pods if not arguments.revision or resources.labels_of(p).get(label) == arguments.revision]
    if not chosen:
        raise CommandError(
            f"no istiod has the revision {arguments.revision}\nNext: kubectl -n istio-system get pods -L {label}"
        )
    return chosen


def _asked(session: Session, pod: Object, arguments: argparse.Namespace) -> list[tuple[str, str]]:
    """Scope and level of each change."""
    scopes = [entry["name"] for entry in json.loads(_page(session, pod, PAGE))]
    if arguments.reset:
        return [(scope, "info") for scope in scopes]
    pairs: list[tuple[str, str]] = []
    for word in arguments.level.split(","):
        scope, colon, level = word.partition(":")
        scope, level = (scope, level) if colon else ("", word)
        if level not in LEVELS or (scope and scope not in scopes):
            raise CommandError(
                f"{word!r} is no SCOPE:LEVEL\nNext: scopes {', '.join(scopes)}; levels {', '.join(LEVELS)}"
            )
        pairs += [(scope, level)] if scope else [(name, level) for name in scopes]
    return pairs


def _page(session: Session, pod: Object, path: str, *, method: str = "GET", body: Any = None) -> str:
    return session.page(pod, PORT, path, method=method, body=body)
