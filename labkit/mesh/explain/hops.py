"""The path of a connection as plain values: each program on it, as whom it speaks, how, and what is asked there."""

from dataclasses import dataclass

CLIENT, SIDECAR, ZTUNNEL, WAYPOINT, GATEWAY, SERVER = "client", "sidecar", "ztunnel", "waypoint", "gateway", "server"
"""What a program on the path is."""

IN_THE_POD = "plain text inside the pod"
ON_THE_NODE = "plain text inside the node"
IN_THE_OPEN = "plain text"
MUTUAL = "mutual TLS"
TUNNEL = "HBONE: a tunnel in mutual TLS"


@dataclass(frozen=True, kw_only=True)
class Hop:
    """One program on the path."""

    role: str
    name: str
    """The pod it runs in."""

    identity: str = ""
    """The principal of the certificate that it shows to the next one; empty where it shows none."""

    sends: str = ""
    """How the connection goes on from here; empty at its end."""

    policies: tuple[str, ...] = ()
    """The policies that are asked here, before the connection or request goes on: ``AuthorizationPolicy ns/name``."""

    note: str = ""

    @property
    def is_encrypted(self) -> bool:
        """Whether it goes on with certificates on both sides."""
        return self.sends in (MUTUAL, TUNNEL)


@dataclass(frozen=True, kw_only=True)
class Path:
    """All hops from a client to a server, in order."""

    title: str
    hops: tuple[Hop, ...]
    notes: tuple[str, ...] = ()
    """What a reader would not expect: who is gone around, and why."""
