"""A waypoint: the connections that come in by HBONE, told apart by the address that their callers asked for."""

from collections.abc import Mapping
from dataclasses import dataclass

from labkit.mesh.ir.listeners import Chain
from labkit.mesh.ir.telemetry import Log


@dataclass(frozen=True, kw_only=True)
class VirtualAddress:
    """One host behind a waypoint."""

    addresses: tuple[str, ...]
    """Under which it is called."""

    ports: Mapping[int, tuple[str, str]]
    """Port of the host → names of the chains for HTTP and for everything else; one is empty where the port's protocol
    is known beforehand."""


@dataclass(frozen=True, kw_only=True)
class Waypoint:
    """All that a waypoint listens for."""

    chains: tuple[Chain, ...]
    """Of its hosts, and last those for connections to pods' own addresses."""

    hosts: tuple[VirtualAddress, ...]
    pods: tuple[str, ...] = ()
    """Addresses of pods whose own traffic goes through it."""

    inspected_not: tuple[int, ...] = ()
    """Ports whose protocol is known beforehand for every host."""

    trust_domains: tuple[str, ...]
    identities: tuple[str, ...]
    """How the identities begin that it tunnels to: of the namespaces of its hosts."""

    logs: tuple[Log, ...] = ()
    """For tunnels that fail."""
