"""The subcommands of ``proxy-config``."""

import argparse
import json
from collections.abc import Callable, Mapping
from typing import Any

from labkit.istioctl import tables, targets
from labkit.istioctl.proxyconfig import certificates, dumps, summaries, waypoints
from labkit.istioctl.session import CommandError, Session
from labkit.kube import resources
from labkit.kube.resources import Object

Arguments = argparse.Namespace

STANDS_IN = (
    "An Envoy stands in ztunnel's place here, and this is what it has. A real ztunnel has no such configuration: "
    "istioctl ztunnel-config workload"
)


def _target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pod", nargs="?", default="")
    parser.add_argument("-f", "--file", default="", help="a config dump in the place of a pod")
    parser.add_argument("-o", "--output", default="short", choices=("short", "json", "yaml"))
    parser.add_argument("--proxy-admin-port", type=int, default=15000)


def listeners(parser: argparse.ArgumentParser) -> None:
    """The flags of ``proxy-config listener``."""
    _target(parser)
    parser.add_argument("--address", default="")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--type", default="")
    parser.add_argument("--verbose", nargs="?", const="true", default="true")


def clusters(parser: argparse.ArgumentParser) -> None:
    """The flags of ``proxy-config cluster``."""
    _target(parser)
    for name in ("fqdn", "direction", "subset"):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--port", type=int, default=0)


def routes(parser: argparse.ArgumentParser) -> None:
    """The flags of ``proxy-config route``."""
    _target(parser)
    parser.add_argument("--name", default="")
    parser.add_argument("--verbose", nargs="?", const="true", default="true")


def endpoints(parser: argparse.ArgumentParser) -> None:
    """The flags of ``proxy-config endpoint``."""
    _target(parser)
    for name in ("address", "cluster", "status"):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--port", type=int, default=0)


def plain(parser: argparse.ArgumentParser) -> None:
    """The flags of ``secret``, ``bootstrap`` and ``all``."""
    _target(parser)


def log(parser: argparse.ArgumentParser) -> None:
    """The flags of ``proxy-config log``."""
    _target(parser)
    parser.add_argument("--level", default="")
    parser.add_argument("-r", "--reset", action="store_true")


def _dump(session: Session, arguments: Arguments) -> Any:
    if arguments.file:
        return json.loads(session.read(arguments.file))
    return json.loads(session.envoy(_pod(session, arguments), "config_dump"))


def _pod(session: Session, arguments: Arguments) -> Object:
    if not arguments.pod:
        raise CommandError("listener requires pod name or --file parameter".replace("listener", arguments.part))
    pod = targets.pod(session, arguments.pod)
    spec = pod["spec"]
    if not any(c["name"] == "istio-proxy" for c in [*spec["containers"], *(spec.get("initContainers") or [])]):
        name, namespace = resources.name_of(pod), resources.namespace_of(pod)
        raise CommandError(
            f"failed to execute command on {name}.{namespace}: it has no istio-proxy\n"
            f"Next: kubectl get namespace {namespace} --show-labels"
        )
    if resources.labels_of(pod).get("app") == "ztunnel":
        session.note(STANDS_IN)
    return pod


def _show(session: Session, arguments: Arguments, kept: list[Any], header: Any, rows: Any, padding: int = 5) -> int:
    if arguments.output == "short":
        session.print(*tables.lines(header, rows(kept), padding=padding))
    else:
        session.document(dumps.camel(kept), arguments.output)
    return 0


def run_listener(session: Session, arguments: Arguments) -> int:
    """Filter chains by address and port."""
    kept = [one for one in dumps.listeners(_dump(session, arguments)) if _is_listener(one, arguments)]
    if any("filter_chain_matcher" in one for one in kept):
        return _show(session, arguments, kept, waypoints.LISTENER, waypoints.listener_rows, padding=1)
    return _show(session, arguments, kept, summaries.LISTENER, summaries.listener_rows, padding=1)


def _is_listener(listener: Any, arguments: Arguments) -> bool:
    socket = (listener.get("address") or {}).get("socket_address") or {}
    kinds = {f["name"] for chain in listener.get("filter_chains", []) for f in chain.get("filters", [])}
    filter_name = {"HTTP": summaries.HTTP, "TCP": summaries.TCP}.get(arguments.type.upper())
    return (
        arguments.address in ("", socket.get("address", ""))
        and arguments.port in (0, socket.get("port_value", 0))
        and (not arguments.type or filter_name in kinds)
    )


def run_cluster(session: Session, arguments: Arguments) -> int:
    """Where the proxy can send to."""
    kept = [one for one in dumps.clusters(_dump(session, arguments)) if _is_cluster(one["name"], arguments)]
    return _show(session, arguments, kept, summaries.CLUSTER, summaries.cluster_rows)


def _is_cluster(name: str, arguments: Arguments) -> bool:
    return (
        arguments.fqdn in name
        and arguments.direction in name
        and arguments.subset in name
        and (not arguments.port or f"|{arguments.port}|" in name)
    )


def run_route(session: Session, arguments: Arguments) -> int:
    """Which request goes where."""
    kept = [t for t in dumps.routes(_dump(session, arguments)) if arguments.name in ("", t.get("name", ""))]
    return _show(session, arguments, kept, summaries.ROUTE, summaries.route_rows)


def run_endpoint(session: Session, arguments: Arguments) -> int:
    """The addresses behind clusters, and whether Envoy sends to them."""
    if arguments.file:
        document = json.loads(session.read(arguments.file))
    else:
        document = json.loads(session.envoy(_pod(session, arguments), "clusters?format=json"))
    rows = [row for row in summaries.endpoint_rows(document) if _is_endpoint(row, arguments)]
    if arguments.output == "short":
        session.print(*tables.lines(summaries.ENDPOINT, rows))
    else:
        names = {row[3] for row in rows}
        kept = [c for c in document.get("cluster_statuses", []) if c["name"] in names]
        session.document(dumps.camel(kept), arguments.output)
    return 0


def _is_endpoint(row: summaries.Row, arguments: Arguments) -> bool:
    address, _, port = str(row[0]).rpartition(":")
    return (
        arguments.address in ("", address)
        and arguments.cluster in ("", row[3])
        and arguments.status.upper() in ("", row[1])
        and arguments.port in (0, int(port) if port.isdigit() else -1)
    )


def run_secret(session: Session, arguments: Arguments) -> int:
    """The certificates that the proxy has."""
    secrets = dumps.secrets(_dump(session, arguments))
    if arguments.output == "short":
        session.print(*tables.lines(certificates.HEADER, certificates.rows(secrets)))
    else:
        session.document({"dynamicActiveSecrets": dumps.camel([entry for _, entry in secrets])}, arguments.output)
    return 0


def run_bootstrap(session: Session, arguments: Arguments) -> int:
    """What Envoy was started with; always as a document."""
    form = "yaml" if arguments.output == "yaml" else "json"
    session.document(dumps.camel(dumps.bootstrap(_dump(session, arguments))), form)
    return 0


def run_all(session: Session, arguments: Arguments) -> int:
    """Clusters, listeners and routes together."""
    dump = _dump(session, arguments)
    if arguments.output != "short":
        session.document(dumps.camel(dump), arguments.output)
        return 0
    session.print(*tables.lines(summaries.CLUSTER, summaries.cluster_rows(dumps.clusters(dump))), "")
    session.print(*tables.lines(summaries.LISTENER, summaries.listener_rows(dumps.listeners(dump)), padding=1), "")
    session.print(*tables.lines(summaries.ROUTE, summaries.route_rows(dumps.routes(dump))))
    return 0


LEVELS = ("trace", "debug", "info", "warning", "error", "critical", "off")


def run_log(session: Session, arguments: Arguments) -> int:
    """Levels of the proxy's loggers, shown or set: ``--level debug``, ``--level http:debug,rbac:trace``."""
    pod = _pod(session, arguments)
    settings = ["level=warning"] if arguments.reset else [_setting(w) for w in arguments.level.split(",") if w]
    for setting in settings or [""]:
        text = session.envoy(pod, f"logging?{setting}" if setting else "logging", method="POST")
    session.print(f"{resources.name_of(pod)}.{resources.namespace_of(pod)}:", text.rstrip("\n"))
    return 0


def _setting(word: str) -> str:
    logger, colon, level = word.rpartition(":")
    if level not in LEVELS:
        raise CommandError(f"unrecognized logging level: {level}; levels are {', '.join(LEVELS)}")
    return f"{logger}={level}" if colon else f"level={level}"


Options = Callable[[argparse.ArgumentParser], None]
Run = Callable[[Session, Arguments], int]

PARTS: Mapping[str, tuple[tuple[str, ...], Options, Run]] = {
    "listener": (("listeners", "l", "lds"), listeners, run_listener),
    "cluster": (("clusters", "c", "cds"), clusters, run_cluster),
    "route": (("routes", "r", "rds"), routes, run_route),
    "endpoint": (("endpoints", "ep", "eds"), endpoints, run_endpoint),
    "secret": (("secrets", "s"), plain, run_secret),
    "bootstrap": (("b",), plain, run_bootstrap),
    "log": (("o",), log, run_log),
    "all": (("a",), plain, run_all),
}
