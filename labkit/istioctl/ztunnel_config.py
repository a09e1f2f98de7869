"""``istioctl ztunnel-config``: what ztunnel is told, from istiod's tables; in the sandbox no ztunnel could be asked."""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from labkit.istioctl import tables
from labkit.istioctl.proxyconfig import certificates, dumps
from labkit.istioctl.session import CommandError, Session
from labkit.kube import resources
from labkit.kube.resources import Object

Run = Callable[[Session, argparse.Namespace], int]
Options = Callable[[argparse.ArgumentParser], None]
Entry = Mapping[str, Any]
PAGE = "/debug/ambientz"
SELECTOR = "app=ztunnel"


def options(parser: argparse.ArgumentParser) -> None:
    """A ztunnel pod, and the form of the answer."""
    parser.add_argument("pod", nargs="?", default="", help="a ztunnel pod, as POD or POD.NAMESPACE")
    parser.add_argument("-o", "--output", choices=("short", "json", "yaml"), default="short")
    for name in ("--workload-namespace", "--service-namespace", "--policy-namespace"):
        parser.add_argument(name, default="", dest="only_namespace")
    parser.add_argument("--address", default="")
    parser.add_argument("--node", default="", dest="node_name")


def workload(session: Session, arguments: argparse.Namespace) -> int:
    """Workloads: their address, node, waypoint and protocol."""
    every = _entries(session, arguments, "workloads")
    if arguments.address:
        every = [w for w in every if arguments.address in (w.get("addresses") or ())]
    rows = [
        (
            w.get("namespace", ""),
            w.get("name", ""),
            ",".join(w.get("addresses") or ()) or w.get("hostname", ""),
            w.get("node", ""),
            _waypoint(w),
            w.get("tunnelProtocol", "TCP"),
        )
        for w in every
    ]
    header = ("NAMESPACE", "POD NAME", "ADDRESS", "NODE", "WAYPOINT", "PROTOCOL")
    return _show(session, arguments, "workloads", every, header, rows)


def service(session: Session, arguments: argparse.Namespace) -> int:
    """Services: their addresses, waypoint and endpoints."""
    every, workloads = _entries(session, arguments, "services"), _table(session)["workloads"]
    rows = [
        (
            s.get("namespace", ""),
            s.get("name", ""),
            ",".join(str(a["address"]) for a in s.get("addresses") or ()),
            _waypoint(s),
            _endpoints(s, workloads),
        )
        for s in every
    ]
    header = ("NAMESPACE", "SERVICE NAME", "SERVICE VIP", "WAYPOINT", "ENDPOINTS")
    return _show(session, arguments, "services", every, header, rows)


def policy(session: Session, arguments: argparse.Namespace) -> int:
    """Policies that ztunnel enforces, what istiod makes of PeerAuthentications among them."""
    every = _entries(session, arguments, "policies")
    rows = [(p["namespace"], p["name"], _word(p, "action", "Allow"), _scope(p)) for p in every]
    header = ("NAMESPACE", "POLICY NAME", "ACTION", "SCOPE")
    return _show(session, arguments, "policies", every, header, rows)


def certificate(session: Session, arguments: argparse.Namespace) -> int:
    """Certificates that the node holds for its pods, one for each service account."""
    dump = json.loads(session.envoy(_pod(session, arguments), "/config_dump"))
    secrets = [(word, e) for word, e in dumps.secrets(dump) if str(e.get("name", "")).startswith("spiffe://")]
    header = ("CERTIFICATE NAME", *certificates.HEADER[1:])
    return _show(
        session, arguments, "certificates", [entry for _, entry in secrets], header, certificates.rows(secrets)
    )


def connections(session: Session, arguments: argparse.Namespace) -> int:
    """Open connections: not told in the sandbox."""
    pod = _pod(session, arguments)
    raise CommandError(
        f"{resources.name_of(pod)} is an Envoy in ztunnel's place, and an Envoy keeps no list of its connections\n"
        f"Next: kubectl -n {session.istio_namespace} logs {resources.name_of(pod)} has a line for each that has ended"
    )


PARTS: dict[str, tuple[tuple[str, ...], Options, Run]] = {
    "workload": (("workloads", "w"), options, workload),
    "service": (("services", "s"), options, service),
    "policy": (("policies", "p"), options, policy),
    "certificate": (("certificates", "cert", "certs"), options, certificate),
    "connections": (("connection",), options, connections),
}


def _show(
    session: Session,
    arguments: argparse.Namespace,
    title: str,
    entries: Sequence[Entry],
    header: tuple[str, ...],
    rows: Iterator[Sequence[object]] | Sequence[Sequence[object]],
) -> int:
    if arguments.output == "short":
        session.print(*tables.lines(header, rows, padding=1))
    else:
        session.document({title: list(entries)}, arguments.output)
    return 0


def _pod(session: Session, arguments: argparse.Namespace) -> Object:
    pods = session.api.list(resources.PODS, session.istio_namespace, labels=SELECTOR)
    name = arguments.pod.partition("/")[2] or arguments.pod
    name = name.removesuffix(f".{session.istio_namespace}")
    chosen = [pod for pod in pods if name in ("", resources.name_of(pod))]
    if arguments.node_name:
        chosen = [pod for pod in chosen if pod["spec"].get("nodeName") == arguments.node_name]
    if not chosen:
        raise CommandError(
            f"{session.istio_namespace} has no ztunnel pod {arguments.pod or arguments.node_name or 'at all'}\n"
            f"Next: kubectl -n {session.istio_namespace} get pods -l {SELECTOR}; "
            "istioctl install --set profile=ambient brings ztunnel"
        )
    return chosen[0]


def _table(session: Session) -> Mapping[str, list[Entry]]:
    page: Mapping[str, list[Entry]] = json.loads(session.istiod(session.istiods()[0], PAGE))
    return page


def _entries(session: Session, arguments: argparse.Namespace, kind: str) -> list[Entry]:
    _pod(session, arguments)
    every = _table(session)[kind]
    only = arguments.only_namespace
    chosen = [e for e in every if not only or e.get("namespace") == only]
    return sorted(chosen, key=lambda e: (str(e.get("namespace", "")), str(e.get("name", ""))))


def _waypoint(entry: Entry) -> str:
    host = ((entry.get("waypoint") or {}).get("hostname") or {}).get("hostname", "")
    return str(host).partition(".")[0] or "None"


def _endpoints(service: Entry, workloads: Sequence[Entry]) -> str:
    key = f"{service['namespace']}/{service['hostname']}"
    behind = [w for w in workloads if key in (w.get("services") or {})]
    healthy = sum(w.get("status") != "UNHEALTHY" for w in behind)
    return f"{healthy}/{len(behind)}"


def _word(entry: Entry, key: str, default: str) -> str:
    return str(entry.get(key, default)).capitalize()


def _scope(policy: Entry) -> str:
    words = {"WORKLOAD_SELECTOR": "WorkloadSelector", "NAMESPACE": "Namespace"}
    return words.get(policy.get("scope", ""), "Global")
