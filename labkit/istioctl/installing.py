"""``istioctl install``, ``upgrade``, ``uninstall``, ``manifest generate``: Istio by the kit's own manifests.

They install on the sandbox alone. Each setting is carried out or refused by name.
"""

import argparse
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from labkit.base import versions
from labkit.install import ambient, control_planes, istio
from labkit.install import types as definitions
from labkit.istioctl import proxy_status
from labkit.istioctl.session import CommandError, Session
from labkit.kube import manifests, resources
from labkit.kube.resources import Object
from labkit.mesh import revisions

PROFILES = ("default", "demo", "minimal", "empty", "preview", "stable", "ambient", "remote", "openshift")
CARRIED = {
    "default": "istiod and the ingress gateway",
    "demo": "istiod and the ingress gateway, with access logs on; without the egress gateway of Istio's demo",
    "minimal": "istiod alone",
    "ambient": "istiod with ambient on, istio-cni's node agent, and an Envoy in ztunnel's place",
}
"""Profiles that the kit's manifests can bring, and what that is."""

DEMO = {"accessLogFile": "/dev/stdout"}
VERSIONS = (versions.istio(), versions.previous_istio())
"""Tags of ``istio/pilot`` that the sandbox has, the newest first; the same program behind each."""

_REVISION = re.compile(r"[a-z0-9]([-a-z0-9]{0,54}[a-z0-9])?")
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


SHARED = (
    "Warning: all revisions share istio-cni and ztunnel. In the sandbox ztunnel stays connected to istiod of the "
    "revision default; Istio's would move to the new revision."
)


def install(session: Session, arguments: argparse.Namespace) -> int:
    """Install or change the Istio of the sandbox; with a revision, a control plane beside the one that is there."""
    plan = _plan(session, arguments)
    what = f'the Istio {plan.version} profile "{plan.profile}"'
    if not plan.revision.is_default:
        what += f" with revision {plan.revision}"
    if arguments.dry_run.lower() == "true":
        session.print(f"dry run: {what} would be installed: {CARRIED[plan.profile]}")
        return 0
    _confirm(session, arguments, f"This will install {what} into the cluster.")
    istio.install(session.api, manifest=plan.manifest)
    session.print("✔ Istio core installed ⛵️", "✔ Istiod installed 🧠")
    if plan.profile == ambient.PROFILE:
        ambient.until_ready(session.api)
        session.print("✔ CNI installed 🪢", "✔ Ztunnel installed 🔒")
        if not plan.revision.is_default:
            session.note(SHARED)
    if plan.has_gateway:
        session.print("✔ Ingress gateways installed 🛬")
    elif plan.revision.is_default and plan.profile == "minimal":
        _remove_gateway(session)
    _configure(session, plan)
    session.print("✔ Installation complete")
    return 0


def upgrade(session: Session, arguments: argparse.Namespace) -> int:
    """In place: istiod and the gateway roll over to the newest version; sidecars do when their pods restart."""
    session.istiods()
    code = install(session, arguments)
    late = [p for p in proxy_status.read(session) if p["istio_version"] != _plan(session, arguments).version]
    if code == 0 and late:
        session.print(
            f"{len(late)} {'sidecar runs' if len(late) == 1 else 'sidecars run'} another version until their pods "
            "restart: kubectl rollout restart deployment -n <NAMESPACE>"
        )
    return code


def uninstall(session: Session, arguments: argparse.Namespace) -> int:
    """Take Istio away; ``--purge`` all of it, ``--revision`` one control plane."""
    for name, value in map(_setting, arguments.settings):
        if name == "revision":
            arguments.revision = str(value)
    if arguments.purge.lower() != "true" and not arguments.revision:
        raise CommandError(
            "at least one of the --revision (or --set revision=<revision>), --filename or --purge flags must be set"
        )
    _require_sandbox(session)
    if arguments.purge.lower() == "true":
        _confirm(session, arguments, "All Istio resources will be pruned from the cluster")
        istio.remove(session.api)
    else:
        _uninstall_revision(session, arguments)
    session.print("✔ Uninstall complete")
    return 0


def _uninstall_revision(session: Session, arguments: argparse.Namespace) -> None:
    revision = revisions.of_name(arguments.revision)
    deployed = session.api.list(resources.DEPLOYMENTS, session.istio_namespace, labels=f"{revisions.LABEL}={revision}")
    if not any(resources.labels_of(d).get("app") == "istiod" for d in deployed):
        raise CommandError(f"could not find a control plane with revision {revision}\nNext: istioctl tag list")
    istiod = revision.named("istiod")
    left = [s["proxy"] for s in proxy_status.read(session) if str(s["istiod"]).rsplit("-", 2)[0] == istiod]
    if left:
        session.print(
            f"There are still {len(left)} proxies pointing to the control plane revision {revision}:",
            *(f"  {name}" for name in left),
            "If you proceed with the uninstall, these proxies will become detached from any control plane and will not "
            "function correctly.",
        )
    _confirm(session, arguments, f"All resources of revision {revision} will be pruned from the cluster.")
    manifest = control_planes.of(istio.objects(), revision)
    gateways = {resources.name_of(d) for d in deployed if control_planes.is_gateway(d)}
    # The gateway goes with the revision that it hangs on, as Istio's does: install the other revision's first.
    kept = [o for o in manifest if not control_planes.is_gateway(o) or gateways]
    istio.remove_revision(session.api, [o for o in kept if not _is_shared(session, o, revision)])


def _is_shared(session: Session, obj: Object, revision: revisions.Revision) -> bool:
    """Whether another revision uses an object of the default one: the validator that a tag has sent elsewhere."""
    if resources.name_of(obj) != control_planes.VALIDATOR:
        return False
    live = session.api.find(resources.VALIDATING_WEBHOOKS, control_planes.VALIDATOR)
    return live is not None and resources.labels_of(live).get(revisions.LABEL) != revision.name


def generate(session: Session, arguments: argparse.Namespace) -> int:
    """``manifest generate``: print what would be applied."""
    plan = _plan(session, arguments, needs_cluster=False)
    session.out.append(manifests.dump(*definitions.crds(), *plan.manifest))
    return 0


def _require_sandbox(session: Session) -> None:
    if not session.has_bundled_istio:
        raise CommandError(
            "this istioctl is the lab's own: it installs Istio on the sandbox only\n"
            "Next: fetch Istio's own istioctl for a cluster of yours"
        )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a command line asks for."""

    profile: str
    revision: revisions.Revision
    version: str
    mesh: Mapping[str, Any]
    """Settings of the mesh configuration, by path."""

    @property
    def has_gateway(self) -> bool:
        """Whether the profile brings the ingress gateway; of Istio's ambient profile there is none."""
        return self.profile not in ("minimal", ambient.PROFILE)

    @property
    def manifest(self) -> list[Object]:
        """The objects to apply."""
        is_ambient = self.profile == ambient.PROFILE
        default = [ambient.switched(o) for o in istio.objects()] if is_ambient else istio.objects()
        objects = control_planes.of(default, self.revision, version=self.version)
        kept = [o for o in objects if self.has_gateway or not control_planes.is_gateway(o)]
        return [*kept, *(ambient.additions() if is_ambient else ())]


def _plan(session: Session, arguments: argparse.Namespace, *, needs_cluster: bool = True) -> Plan:
    if needs_cluster:
        _require_sandbox(session)
    profile, revision, version = "default", arguments.revision, versions.istio()
    mesh: dict[str, Any] = {}
    refused: list[str] = []
    for name, value in [*_files(session, arguments), *map(_setting, arguments.settings)]:
        if name == "profile":
            profile = str(value)
        elif name == "revision":
            revision = str(value)
        elif name == "tag":
            version = str(value)
        elif name.startswith("meshConfig."):
            mesh[name.removeprefix("meshConfig.")] = value
        else:
            refused.append(name)
    if refused:
        raise CommandError(
            f"not carried out by the lab's istioctl: {', '.join(refused)}\n"
            f"Next: set profile ({', '.join(CARRIED)}), revision, tag ({', '.join(VERSIONS)}) and meshConfig.… only"
        )
    if profile not in CARRIED:
        reason = "is a profile of Istio, and not carried out here" if profile in PROFILES else "is no profile"
        raise CommandError(f"profile {profile} {reason}\nNext: one of {', '.join(CARRIED)}")
    if version not in VERSIONS:
        raise CommandError(
            f"the sandbox has no image docker.io/istio/pilot:{version}\nNext: one of {', '.join(VERSIONS)}; both run "
            "the same program, so an upgrade can be practised"
        )
    if not _REVISION.fullmatch(revision or "default"):
        raise CommandError(
            f"revision {revision!r} is no DNS label (lower case, digits and dashes, no dots)\nNext: --revision 1-31-1"
        )
    return Plan(
        profile=profile,
        revision=revisions.of_name(revision),
        version=version,
        mesh={**DEMO, **mesh} if profile == "demo" else mesh,
    )


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


def _configure(session: Session, plan: Plan) -> None:
    if not plan.mesh:
        return
    name = plan.revision.named("istio")
    current = session.api.get(resources.CONFIG_MAPS, name, session.istio_namespace)
    config = yaml.safe_load((current.get("data") or {}).get("mesh") or "") or {}
    for path, value in plan.mesh.items():
        *parents, last = path.split(".")
        place = config
        for step in parents:
            place = place.setdefault(step, {})
        place[last] = value
    text = yaml.safe_dump(config, sort_keys=False)
    session.api.patch(resources.CONFIG_MAPS, name, session.istio_namespace, {"data": {"mesh": text}})
