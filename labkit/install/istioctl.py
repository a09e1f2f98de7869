"""The pinned Istio, installed by ``istioctl`` on a cluster that is there for the course alone."""

from pathlib import Path
from typing import Any

import yaml

from labkit.base import errors, versions
from labkit.clusters import commands, failures
from labkit.install import istio, presence
from labkit.kube import client, resources, status

TIMEOUT = 400.0
"""Seconds; its own bound for pods to be ready is 300."""


AMBIENT = "ambient"
ZTUNNEL = "ztunnel"


def operator(profile: str = "") -> str:
    """What ``istioctl install -f`` reads: profile, hub and node ports from the data file of versions.

    With the profile ``ambient`` Istio brings istio-cni and ztunnel too; requests stay as small as the demo profile's.
    """
    pinned = versions.pinned()
    ports = [
        {"name": name, "port": entry["port"], "targetPort": entry["target"], "nodePort": entry["node"]}
        for name, entry in zip(("http2", "https", "status-port"), pinned["node_ports"].values(), strict=True)
    ]
    gateway = {
        "name": presence.GATEWAY,
        "enabled": True,
        "k8s": {"service": {"type": "NodePort", "ports": ports}},
    }
    is_ambient = profile == AMBIENT
    document: dict[str, Any] = {
        "apiVersion": "install.istio.io/v1alpha1",
        "kind": "IstioOperator",
        "spec": {
            "profile": profile or pinned["istio"]["profile"],
            "hub": pinned["istio"]["hub"],
            "tag": pinned["istio"]["version"],
            "components": {
                "egressGateways": [{"name": "istio-egressgateway", "enabled": False}],
                "ingressGateways": [gateway],
            },
        },
    }
    if is_ambient:
        document["spec"] |= pinned["istio"]["ambient"]
    return yaml.safe_dump(document, sort_keys=False)


def ensure(
    api: client.Client,
    machine: commands.Commands,
    *,
    kubeconfig: Path,
    context: str,
    on_step: istio.OnStep,
    profile: str = "",
) -> None:
    """Install it unless it is there and in order; an interrupted installation is finished.

    A cluster with the profile ``ambient`` has all of the other one's, so it is never taken back.
    """
    if presence.problem(presence.of(api)) is None and (profile != AMBIENT or has_ztunnel(api)):
        return
    on_step(f"istioctl install, Istio {versions.istio()}{', profile ambient' if profile == AMBIENT else ''}")
    words = ["istioctl", "install", "-y", "-f", "-", "--readiness-timeout", "300s"]
    done = machine.run(
        [*words, "--kubeconfig", str(kubeconfig), "--context", context], text=operator(profile), timeout=TIMEOUT
    )
    if done.code:
        raise failures.failure("istioctl could not install Istio", done)
    if trouble := presence.problem(presence.of(api)):
        raise errors.SetupError(trouble.what, next_step=trouble.next_step)


def has_ztunnel(api: client.Client) -> bool:
    """Whether the profile ``ambient`` is there; who may not look is not held up."""
    try:
        return api.find(resources.DAEMON_SETS, ZTUNNEL, istio.NAMESPACE) is not None
    except status.StatusError as e:
        if e.code != 403:
            raise
        return True
