"""The pinned Istio, installed by ``istioctl`` on a cluster that is there for the course alone."""

from pathlib import Path

import yaml

from labkit.base import errors, versions
from labkit.clusters import commands, failures
from labkit.install import istio, presence
from labkit.kube import client

TIMEOUT = 400.0
"""Seconds; its own bound for pods to be ready is 300."""


def operator() -> str:
    """What ``istioctl install -f`` reads: profile, hub and node ports from the data file of versions."""
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
    document = {
        "apiVersion": "install.istio.io/v1alpha1",
        "kind": "IstioOperator",
        "spec": {
            "profile": pinned["istio"]["profile"],
            "hub": pinned["istio"]["hub"],
            "tag": pinned["istio"]["version"],
            "components": {
                "egressGateways": [{"name": "istio-egressgateway", "enabled": False}],
                "ingressGateways": [gateway],
            },
        },
    }
    return yaml.safe_dump(document, sort_keys=False)


def ensure(
    api: client.Client, machine: commands.Commands, *, kubeconfig: Path, context: str, on_step: istio.OnStep
) -> None:
    """Install it unless it is there and in order; an interrupted installation is finished."""
    if presence.problem(presence.of(api)) is None:
        return
    on_step(f"istioctl install, Istio {versions.pinned()['istio']['version']}")
    words = ["istioctl", "install", "-y", "-f", "-", "--readiness-timeout", "300s"]
    done = machine.run(
        [*words, "--kubeconfig", str(kubeconfig), "--context", context], text=operator(), timeout=TIMEOUT
    )
    if done.code:
        raise failures.failure("istioctl could not install Istio", done)
    if trouble := presence.problem(presence.of(api)):
        raise errors.SetupError(trouble.what, next_step=trouble.next_step)
