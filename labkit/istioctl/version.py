"""``istioctl version``: of the client, the control plane and the proxies. It says that it is the lab's own."""

import argparse
from collections import Counter
from typing import Any

from labkit.base import versions
from labkit.istioctl import proxy_status
from labkit.istioctl.session import CommandError, Session
from labkit.kube import resources

VERSION = versions.istio()
"""Istio's version whose commands this program follows."""

OWN = "the lab's own stand-in for istioctl"


def options(parser: argparse.ArgumentParser) -> None:
    """The flags of ``version``."""
    parser.add_argument("-o", "--output", default="", choices=("", "json", "yaml"))
    parser.add_argument("-s", "--short", nargs="?", const="true", default="true")
    parser.add_argument("--remote", nargs="?", const="true", default="true")
    parser.add_argument("--revision", default="")


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Three lines, or one where nothing answers."""
    document: dict[str, Any] = {"clientVersion": {"version": VERSION, "status": OWN}}
    if arguments.remote.lower() == "true":
        try:
            document |= _remote(session)
        except CommandError as e:
            session.note(str(e).partition("\n")[0])
    if arguments.output:
        session.document(document, arguments.output)
        return 0
    session.print(f"client version: {VERSION} ({OWN})")
    planes = [istiod["Info"]["version"] for istiod in document.get("meshVersion", ())]
    if len(set(planes)) == 1:
        session.print(f"control plane version: {planes[0]}")
    else:
        session.print(*(f"pilot version: {version}" for version in planes))
    counts = Counter(p["IstioVersion"] for p in document.get("dataPlaneVersion", ()))
    if counts:
        words = ", ".join(f"{v} ({n} {'proxy' if n == 1 else 'proxies'})" for v, n in sorted(counts.items()))
        session.print(f"data plane version: {words}")
    return 0


def _remote(session: Session) -> dict[str, Any]:
    istiods = session.istiods()
    images = [pod["spec"]["containers"][0].get("image", "").rpartition(":")[2] for pod in istiods]
    seen = list(
        dict.fromkeys(zip((resources.labels_of(p).get("istio.io/rev", "") for p in istiods), images, strict=True))
    )
    proxies = proxy_status.read(session)
    return {
        "meshVersion": [{"Component": "pilot", "Revision": r, "Info": {"version": v}} for r, v in seen],
        "dataPlaneVersion": [{"ID": p["proxy"], "IstioVersion": p["istio_version"]} for p in proxies],
    }
