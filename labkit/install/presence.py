"""Whether Istio is on a cluster, and in a state in which the course can run there."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from labkit.base import errors, versions
from labkit.kube import client, resources, status
from labkit.kube.resources import Object, Resource

NAMESPACE = "istio-system"
GATEWAY = "istio-ingressgateway"
GROUP = "networking.istio.io"
VERSION = "v1"
"""The version of Istio's API that the course's manifests have; served since Istio 1.22."""

TRIED = (".".join(map(str, versions.parse(versions.istio())[:2])),)
"""Minor versions of Istio that the course was run on."""

INSTALL = "istioctl install --set profile=default -y"
INJECTORS = ("istio-sidecar-injector", "istio-revision-tag-default")
"""Webhooks that answer for the label ``istio-injection=enabled``."""


class Problem(NamedTuple):
    """Why the course cannot run, and what mends it."""

    what: str
    next_step: str


@dataclass(frozen=True, kw_only=True)
class Istiod:
    """One Deployment of a control plane."""

    name: str
    revision: str
    """``default`` unless it was installed with one."""

    version: str
    """The tag of its image: ``1.31.1``."""

    ready: int
    replicas: int


@dataclass(frozen=True, kw_only=True)
class Presence:
    """What a cluster shows of Istio. None stands for what this user may not read."""

    versions: tuple[str, ...] = ()
    """Versions of ``networking.istio.io`` that the API serves; this every user may ask."""

    istiods: tuple[Istiod, ...] | None = ()
    injectors: tuple[str, ...] | None = ()
    """Names of Istio's mutating webhooks."""

    is_ending: bool = False
    """Whether the namespace ``istio-system`` is being deleted."""

    has_gateway: bool | None = False

    def __str__(self) -> str:
        if not self.istiods:
            return "Istio answers; this user may not read istio-system" if self.versions else "no Istio"
        return ", ".join(f"{i.name} {i.version}, {i.ready} of {i.replicas} ready" for i in self.istiods)


def of(api: client.Client) -> Presence:
    """The presence on a cluster; nothing is changed."""
    namespace = _readable(lambda: api.find(resources.NAMESPACES, NAMESPACE))
    deployments = _listed(api, resources.DEPLOYMENTS, NAMESPACE)
    webhooks = _listed(api, resources.MUTATING_WEBHOOKS)
    return Presence(
        versions=_versions(api),
        istiods=None if deployments is None else tuple(istiod(d) for d in deployments if _is_istiod(d)),
        injectors=None
        if webhooks is None
        else tuple(resources.name_of(w) for w in webhooks if resources.labels_of(w).get("app") == "sidecar-injector"),
        is_ending=namespace is not None and "deletionTimestamp" in namespace["metadata"],
        has_gateway=None if deployments is None else any(resources.name_of(d) == GATEWAY for d in deployments),
    )


def problem(presence: Presence) -> Problem | None:
    """Why the course cannot begin; None where it can."""
    istiods = presence.istiods
    if presence.is_ending:
        return Problem(
            f"Namespace {NAMESPACE} is being deleted, and has not gone yet.",
            f"kubectl get namespace {NAMESPACE} -o yaml says what holds it; then {INSTALL}",
        )
    if istiods == () and presence.injectors:
        return Problem(
            f"Istio is half deleted here: webhook {presence.injectors[0]} is there, and no istiod answers it, "
            "so no pod of a labelled namespace can be created.",
            f"istioctl uninstall --purge -y, or again: {INSTALL}",
        )
    if istiods == () or (istiods is None and not presence.versions):
        rest = "; its definitions are there" if presence.versions else ""
        return Problem(f"This cluster has no Istio{rest}. The kit does not install it on a cluster of yours.", INSTALL)
    if VERSION not in presence.versions:
        seen = f"serves {', '.join(presence.versions)} of it" if presence.versions else "has no definitions of it"
        return Problem(
            f"The course needs {GROUP}/{VERSION}, which Istio has since 1.22; this cluster {seen} ({presence}).",
            "istioctl upgrade -y",
        )
    if istiods and not any(i.ready for i in istiods):
        return Problem(f"No istiod is ready: {presence}.", f"kubectl -n {NAMESPACE} describe pods -l app=istiod")
    if istiods and not _has_default(istiods, presence.injectors):
        revision = istiods[0].revision
        return Problem(
            f"Istio here has the revision {revision}, and the label istio-injection=enabled asks for the default one.",
            f"istioctl tag set default --revision {revision}",
        )
    if presence.has_gateway is False:
        return Problem(
            f"Istio is here without its ingress gateway, Deployment {GATEWAY} in {NAMESPACE}.",
            f"istioctl install --set 'components.ingressGateways[0].name={GATEWAY}' "
            "--set 'components.ingressGateways[0].enabled=true' -y",
        )
    return None


def require(api: client.Client) -> Presence:
    """The presence; SetupError says what is in the way of the course."""
    presence = of(api)
    if trouble := problem(presence):
        raise errors.SetupError(trouble.what, next_step=trouble.next_step)
    return presence


def ending(namespace: Object | None) -> Problem | None:
    """Why nothing can be created in a namespace that is being deleted; None for any other, or none at all."""
    if namespace is None or "deletionTimestamp" not in namespace["metadata"]:
        return None
    name = resources.name_of(namespace)
    conditions = (namespace.get("status") or {}).get("conditions") or []
    holding = [c["message"] for c in conditions if c["status"] == "True" and c["type"].endswith("Remaining")]
    told = f" {' '.join(f'{message}.' for message in holding)}" if holding else ""
    return Problem(
        f"Namespace {name} is being deleted, and has not gone yet.{told} Nothing was changed.",
        f"kubectl get namespace {name} -o yaml says what holds it; or name another one: --namespace NAME",
    )


def note(presence: Presence) -> str:
    """What to say of a version that the course was not run on; empty where it was."""
    others = [i.version for i in presence.istiods or () if not i.version.startswith(tuple(f"{v}." for v in TRIED))]
    return f"the course was run on Istio {', '.join(TRIED)}; here is {others[0]}" if others else ""


def istiod(deployment: Object) -> Istiod:
    """The words about one Deployment."""
    containers = deployment["spec"]["template"]["spec"]["containers"]
    state = deployment.get("status") or {}
    return Istiod(
        name=resources.name_of(deployment),
        revision=resources.labels_of(deployment).get("istio.io/rev", "default"),
        version=str(containers[0].get("image", "")).partition("@")[0].rpartition(":")[2],
        ready=state.get("availableReplicas", 0),
        replicas=deployment["spec"].get("replicas", 1),
    )


def _has_default(istiods: Sequence[Istiod], injectors: Sequence[str] | None) -> bool:
    return any(i.revision == "default" for i in istiods) or injectors is None or bool({*injectors} & {*INJECTORS})


def _is_istiod(deployment: Object) -> bool:
    return resources.labels_of(deployment).get("app") == "istiod" or resources.name_of(deployment) == "istiod"


def _versions(api: client.Client) -> tuple[str, ...]:
    code, _, body = api.raw("GET", f"/apis/{GROUP}")
    return tuple(v["version"] for v in json.loads(body).get("versions", ())) if code == 200 else ()


def _listed(api: client.Client, resource: Resource, namespace: str | None = None) -> list[Object] | None:
    listed: list[Object] | None = _readable(lambda: api.list(resource, namespace))
    return listed


def _readable(ask: Any) -> Any:
    try:
        return ask()
    except status.StatusError as e:
        if e.code != 403:
            raise
        return None
