"""Istio's ambient profile: istiod with ambient switched on, istio-cni's node agent, and ztunnel."""

from collections.abc import Sequence
from importlib import resources as files

import yaml

from labkit.base import errors, settings, versions, waiting
from labkit.clusters import capabilities, commands
from labkit.install import istio, istioctl, kinds
from labkit.kube import client, manifests, marks, resources
from labkit.kube.resources import Object

PROFILE = "ambient"
SWITCH = {"name": "PILOT_ENABLE_AMBIENT", "value": "true"}
"""The variable of istiod that the profile sets."""

TUNNELS = {"name": "ISTIO_META_ENABLE_HBONE", "value": "true"}
"""The variable by which the profile has gateways and sidecars reach ambient's pods by HBONE."""


ADDED = {"istiod": SWITCH, "istio-ingressgateway": TUNNELS}
"""Label ``app`` of a Deployment → the variable that the profile adds to its containers."""

DAEMON_SETS = ("istio-cni-node", "ztunnel")
COMMAND = "istioctl install --set profile=ambient"


def objects() -> list[Object]:
    """The profile without its definitions, in the order to apply; the ingress gateway of the course is in it."""
    return [*map(switched, istio.objects()), *additions()]


def additions() -> list[Object]:
    """What the profile has beside istiod."""
    text = versions.filled(files.files(__package__).joinpath("data/ambient.yaml").read_text())
    return manifests.parse(text, source="ambient.yaml")


def install(api: client.Client, *, on_step: istio.OnStep = lambda _: None) -> None:
    """Install the profile; safe to repeat.

    On a sandbox by the kit's manifests, on a kind cluster of the lab's by istioctl; elsewhere it has to be there.
    """
    can = capabilities.ask(api)
    if capabilities.BUNDLED_ISTIO not in can:
        if capabilities.OWNED in can:
            machine = commands.Machine(settings.Paths())
            istioctl.ensure(
                api,
                machine,
                kubeconfig=api.kubeconfig,
                context=api.context or "",
                on_step=on_step,
                profile=PROFILE,
            )
        require(api)
        istio.install(api, on_step=on_step)
        until_ready(api, on_step=on_step)
        return
    istio.install(api, on_step=on_step, manifest=list(map(switched, istio.objects())))
    kinds.apply_all(api, additions())
    until_ready(api, on_step=on_step)


def require(api: client.Client) -> None:
    """SetupError where the profile is not there."""
    if not istioctl.has_ztunnel(api):
        raise errors.SetupError(
            "Istio is here without its ambient profile: there is no DaemonSet ztunnel in istio-system.",
            next_step=f"{COMMAND} -y",
        )


def until_ready(api: client.Client, *, on_step: istio.OnStep = lambda _: None) -> None:
    """Wait for the pods of every node; NotReadyError says which are missing."""
    for name in DAEMON_SETS:
        on_step(name)
        waiting.until(
            lambda name=name: _is_rolled_out(api, name),  # type: ignore[misc]
            what=f"DaemonSet {istio.NAMESPACE}/{name}",
            timeout=istio.TIMEOUT,
            next_step=f"kubectl -n {istio.NAMESPACE} describe daemonset {name}; on a cluster of yours: {COMMAND}",
            every=0.02,
        )


def is_ours(api: client.Client) -> bool:
    """Whether the kit installed the ztunnel that is there; not for a user who may not read ``istio-system``."""
    daemon_set = capabilities.readable(api, resources.DAEMON_SETS, DAEMON_SETS[-1], istio.NAMESPACE)
    return daemon_set is not None and marks.is_ours(daemon_set)


def remove(api: client.Client) -> None:
    """Take away what the profile added; istiod stays as it is."""
    for obj in additions():
        api.delete(kinds.resource_of(api, obj), resources.name_of(obj), resources.namespace_of(obj))


def _is_rolled_out(api: client.Client, name: str) -> bool:
    daemon_set = api.find(resources.DAEMON_SETS, name, istio.NAMESPACE)
    if daemon_set is None:
        return False
    state = daemon_set.get("status") or {}
    is_seen = state.get("observedGeneration", 0) >= daemon_set["metadata"].get("generation", 1)
    return bool(is_seen and state.get("numberReady", 0) == state.get("desiredNumberScheduled", -1) > 0)


def switched(obj: Object) -> Object:
    """istiod with ambient on, gateways and sidecars with tunnels; any other object as it is."""
    if obj["kind"] == "ConfigMap" and resources.name_of(obj) == "istio":
        mesh = yaml.safe_load(obj["data"]["mesh"]) or {}
        own = mesh.get("defaultConfig") or {}
        metadata = {**(own.get("proxyMetadata") or {}), TUNNELS["name"]: TUNNELS["value"]}
        mesh["defaultConfig"] = {**own, "proxyMetadata": metadata}
        return {**obj, "data": {**obj["data"], "mesh": yaml.safe_dump(mesh)}}
    added = ADDED.get(resources.labels_of(obj).get("app", "")) if obj["kind"] == "Deployment" else None
    if added is None:
        return obj
    template = obj["spec"]["template"]
    containers: Sequence[Object] = template["spec"]["containers"]
    changed = [{**c, "env": [*(c.get("env") or []), added]} for c in containers]
    spec = {**template["spec"], "containers": changed}
    return {**obj, "spec": {**obj["spec"], "template": {**template, "spec": spec}}}
