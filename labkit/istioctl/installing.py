"""``istioctl install``, ``upgrade``, ``uninstall``, ``manifest generate``: Istio by the kit's own manifests.

They install on the sandbox alone. Each setting is carried out or refused by name.
"""

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from labkit.install import istio
from labkit.install import types as definitions
from labkit.istioctl.session import CommandError, Session
from labkit.kube import manifests, resources

PROFILES = ("default", "demo", "minimal", "empty", "preview", "stable", "ambient", "remote", "openshift")
CARRIED = {
    "default": "istiod and the ingress gateway",
    "demo": "istiod and the ingress gateway, with access logs on; without the egress gateway of Istio's demo",
    "minimal": "istiod alone",
}
"""Profiles that the kit's manifests can bring, and what that is."""

DEMO = {"accessLogFile": "/dev/stdout"}
Setting = tuple[str, Any]


def options(parser: argparse.ArgumentParser) -> None:
    """The flags of ``install`` and ``upgrade``."""
    parser.add_argument("-f", "--filename", action="append", default=[])
    parser.add_argument("-s", "--set", action="append", default=[], dest="settings")
    parser.add_argument("-y", "--skip-confirmation", action="store_true")
    parser.add_argument("-r", "--revision", default="")
    for name in ("--dry-run", "--force", "--verify", "--purge"):
        parser.add_argument(name, nargs="?", const="true", default="false")
    for name in ("--manifests", "--readiness-timeout", "--charts"):
        parser.add_argument(name, default="", help=argparse.SUPPRESS)
    parser.add_argument("-d", dest="manifests", default="", help=argparse.SUPPRESS)


def install(session: Session, arguments: argparse.Namespace) -> int:
    """Install or change the Istio of the sandbox."""
    profile, mesh = _plan(session, arguments)
    if arguments.dry_run.lower() == "true":
        session.print(f"dry run: profile {profile} would be installed: {CARRIED[profile]}")
        return 0
    _confirm(session, arguments, f'This will install the Istio {istio_version()} profile "{profile}" into the cluster.')
    istio.install(session.api)
    session.print("✔ Istio core installed ⛵️", "✔ Istiod installed 🧠")
    if profile == "minimal":
        _remove_gateway(session)
    else:
        session.print("✔ Ingress gateways installed 🛬")
    _configure(session, mesh)
    session.print("✔ Installation complete")
    return 0


def upgrade(session: Session, arguments: argparse.Namespace) -> int:
    """The same on an Istio that is there: in place, at the one version the kit has."""
    session.istiods()
    return install(session, arguments)


def uninstall(session: Session, arguments: argparse.Namespace) -> int:
    """Take Istio away; ``--purge`` or the only revision."""
    if arguments.purge.lower() != "true" and not arguments.revision:
        raise CommandError(
            "at least one of the --revision (or --set revision=<revision>), --filename or --purge flags must be set"
        )
    _require_sandbox(session)
    _confirm(session, arguments, "All Istio resources will be pruned from the cluster")
    istio.remove(session.api)
    session.print("✔ Uninstall complete")
    return 0


def generate(session: Session, arguments: argparse.Namespace) -> int:
    """``manifest generate``: print what would be applied."""
    profile, _ = _plan(session, arguments, needs_cluster=False)
    objects = [*definitions.crds(), *istio.objects()]
    if profile == "minimal":
        objects = [o for o in objects if resources.labels_of(o).get("istio") != "ingressgateway"]
    session.out.append(manifests.dump(*objects))
    return 0


def istio_version() -> str:
    """Of the kit's manifests."""
    from labkit.istioctl.version import VERSION

    return VERSION


def _require_sandbox(session: Session) -> None:
    if not session.has_bundled_istio:
        raise CommandError(
            "this istioctl is the lab's own: it installs Istio on the sandbox only\n"
            "Next: fetch Istio's own istioctl for a cluster of yours"
        )


def _plan(session: Session, arguments: argparse.Namespace, *, needs_cluster: bool = True) -> tuple[str, dict[str, Any]]:
    if needs_cluster:
        _require_sandbox(session)
    if arguments.revision:
        raise CommandError(
            "a second revision is not carried out here: the sandbox runs one control plane, revision default\n"
            "Next: install without --revision"
        )
    profile, mesh, refused = "default", {}, []
    for name, value in [*_files(session, arguments), *map(_setting, arguments.settings)]:
        if name == "profile":
            profile = str(value)
        elif name.startswith("meshConfig."):
            mesh[name.removeprefix("meshConfig.")] = value
        else:
            refused.append(name)
    if refused:
        raise CommandError(
            f"not carried out by the lab's istioctl: {', '.join(refused)}\n"
            f"Next: set profile ({', '.join(CARRIED)}) and meshConfig.… only"
        )
    if profile not in CARRIED:
        reason = "is a profile of Istio, and not carried out here" if profile in PROFILES else "is no profile"
        raise CommandError(f"profile {profile} {reason}\nNext: one of {', '.join(CARRIED)}")
    return profile, ({**DEMO, **mesh} if profile == "demo" else mesh)


def _setting(word: str) -> Setting:
    name, equals, value = word.partition("=")
    if not equals:
        raise CommandError(f"the --set flag must have the form NAME=VALUE: {word!r}")
    return name.removeprefix("spec."), yaml.safe_load(value)


def _files(session: Session, arguments: argparse.Namespace) -> Iterator[Setting]:
    for name in arguments.filename:
        for obj in manifests.parse(session.read(name), source=name):
            if obj["kind"] != "IstioOperator":
                raise CommandError(f"{name}: a {obj['kind']} is no IstioOperator")
            yield from _flat(obj.get("spec") or {}, "")


def _flat(value: Mapping[str, Any], prefix: str) -> Iterator[Setting]:
    for key, inner in value.items():
        name = f"{prefix}{key}"
        if isinstance(inner, dict) and inner and name != "meshConfig" and prefix != "meshConfig.":
            yield from _flat(inner, f"{name}.")
        elif name == "meshConfig":
            yield from ((f"meshConfig.{k}", v) for k, v in inner.items())
        else:
            yield name, inner


def _confirm(session: Session, arguments: argparse.Namespace, sentence: str) -> None:
    if arguments.skip_confirmation:
        return
    session.note(f"{sentence} Proceed? (y/N)")
    if session.text.strip().lower() not in ("y", "yes"):
        raise CommandError("Cancelled.\nNext: answer y, or add -y")


def _remove_gateway(session: Session) -> None:
    for resource in (resources.DEPLOYMENTS, resources.SERVICES):
        session.api.delete(resource, "istio-ingressgateway", session.istio_namespace)


def _configure(session: Session, mesh: Mapping[str, Any]) -> None:
    if not mesh:
        return
    current = session.api.get(resources.CONFIG_MAPS, "istio", session.istio_namespace)
    config = yaml.safe_load((current.get("data") or {}).get("mesh") or "") or {}
    for path, value in mesh.items():
        *parents, last = path.split(".")
        place = config
        for step in parents:
            place = place.setdefault(step, {})
        place[last] = value
    text = yaml.safe_dump(config, sort_keys=False)
    session.api.patch(resources.CONFIG_MAPS, "istio", session.istio_namespace, {"data": {"mesh": text}})
