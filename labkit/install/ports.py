"""Ports that pods of the sandbox need: a program on every address of the machine takes them from all pods."""

from collections.abc import Iterable

from labkit.base import errors, ports
from labkit.clusters import capabilities
from labkit.kube import client
from labkit.kube.resources import Object

SIDECAR = (15001, 15021, 15090)
"""Where every proxy listens, beside its application's ports."""

PROBE = "127.255.255.253"
"""A loopback address that no pod gets: what cannot be bound here can be bound nowhere."""


def needed(objects: Iterable[Object]) -> set[int]:
    """Every port that the pods of these Deployments listen on."""
    specs = [obj["spec"]["template"]["spec"] for obj in objects if obj["kind"] == "Deployment"]
    declared = {port["containerPort"] for spec in specs for c in spec["containers"] for port in c.get("ports") or []}
    return declared | set(SIDECAR)


def require(api: client.Client, objects: Iterable[Object], *, wanted_for: str) -> None:
    """Raise PortTakenError when another program of a sandbox's machine has one of the ports on every address."""
    if capabilities.LOCAL_PODS not in capabilities.ask(api):
        return
    for port in sorted(needed(objects)):
        if not ports.is_free(PROBE, port):
            raise errors.PortTakenError(port, holder=ports.holder(port), wanted_for=wanted_for)
