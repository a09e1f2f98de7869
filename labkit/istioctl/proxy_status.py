"""``istioctl proxy-status``: which proxies are connected, and what they have taken."""

import argparse
import json
from collections.abc import Mapping
from typing import Any

from labkit.istioctl import tables, targets
from labkit.istioctl.session import CommandError, Session
from labkit.kube import resources

Status = Mapping[str, Any]

TYPES = (("CDS", "cluster"), ("LDS", "listener"), ("EDS", "endpoint"), ("RDS", "route"), ("ECDS", "extensionconfig"))
COMPARED = (("Clusters", "cluster"), ("Listeners", "listener"), ("Routes", "route"))


def options(parser: argparse.ArgumentParser) -> None:
    """The flags of ``proxy-status``."""
    parser.add_argument("pod", nargs="?", default="")
    parser.add_argument("-o", "--output", default="table", choices=("table", "json", "yaml", "short"))
    parser.add_argument("-v", "--verbosity", type=int, default=0)
    parser.add_argument("-f", "--file", default="")
    parser.add_argument("--revision", default="")
    parser.add_argument("--xds-address", default="")
    parser.add_argument("--xds-label", default="")


def run(session: Session, arguments: argparse.Namespace) -> int:
    """All proxies, or how one proxy compares with what istiod sent it."""
    statuses = read(session)
    if arguments.pod:
        return _one(session, arguments.pod, statuses)
    if arguments.output in ("json", "yaml"):
        session.document(statuses, arguments.output)
        return 0
    if arguments.verbosity:
        header = ("NAME", "CLUSTER", *(word for word, _ in TYPES), "ISTIOD", "VERSION")
        rows = [
            (s["proxy"], s["cluster_id"], *(synced(s, key) for _, key in TYPES), s["istiod"], s["istio_version"])
            for s in statuses
        ]
    else:
        header = ("NAME", "CLUSTER", "ISTIOD", "VERSION", "SUBSCRIBED TYPES")
        rows = [(s["proxy"], s["cluster_id"], s["istiod"], s["istio_version"], _types(s)) for s in statuses]
    session.print(*tables.lines(header, rows))
    return 0


def read(session: Session) -> list[dict[str, Any]]:
    """A status for each connected proxy, with the istiod that it hangs on."""
    statuses = []
    for pod in session.istiods():
        for entry in json.loads(session.istiod(pod, "/debug/syncz")) or []:
            statuses.append({**entry, "istiod": resources.name_of(pod)})
    return sorted(statuses, key=lambda s: str(s["proxy"]))


def synced(status: Status, key: str) -> str:
    """The word about one type, as istioctl has it."""
    sent, acked = status.get(f"{key}_sent", ""), status.get(f"{key}_acked", "")
    if not sent:
        return "IGNORED" if key == "extensionconfig" else "NOT SENT"
    if sent == acked:
        return "SYNCED"
    return "STALE" if acked else "STALE (Never Acknowledged)"


def _types(status: Status) -> str:
    subscribed = [word for word, key in TYPES if status.get(f"{key}_sent")]
    return f"{len(subscribed)} ({','.join(subscribed)})"


def _one(session: Session, argument: str, statuses: list[dict[str, Any]]) -> int:
    pod = targets.pod(session, argument)
    name = f"{resources.name_of(pod)}.{resources.namespace_of(pod)}"
    status = next((s for s in statuses if s["proxy"] == name), None)
    if status is None:
        raise CommandError(
            f"the pod {name} is not connected to istiod\nNext: kubectl -n {resources.namespace_of(pod)} logs "
            f"{resources.name_of(pod)} -c istio-proxy"
        )
    for title, key in COMPARED:
        word = synced(status, key)
        verdict = {"SYNCED": "Match", "NOT SENT": "Match"}.get(word, f"Don't Match ({word})")
        session.print(f"{title} {verdict}")
    for kind, text in (status.get("refusals") or {}).items():
        session.print(f"The proxy refused {kind}: {text}")
    return 0
