"""The doors of a running lab: every TCP socket that its processes listen on, and what README calls it."""

import ipaddress
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from labkit.base import ports, processes
from labkit.sandbox.network import forward

API = "the Kubernetes API"
JUPYTERLAB = "JupyterLab"
GATEWAYS = "gateways and node ports"
FORWARDER = "the forwarder of pods' programs"
PODS = "pods"
SERVICES = "Services"

CLOSED = {API, JUPYTERLAB, FORWARDER}
"""Whoever has no credentials, or comes by another Host or Origin, is refused."""

OFFERED = {GATEWAYS, PODS, SERVICES}
"""What a cluster offers on its nodes and in its pods' network."""

STILL_OPEN = {
    "applications behind their sidecars": lambda door, lab: _is_in(door.address, lab.block + 1),
}
"""What no cluster offers and this one still does. A door leaves this list when it is closed, and none joins it."""

NODE_PORTS = range(30000, 32768)


@dataclass(frozen=True, kw_only=True)
class Lab:
    """What tells one door from another."""

    api_port: int
    jupyter_port: int
    pods: Collection[str]
    """The addresses of pods."""

    @property
    def block(self) -> int:
        """The second number of the pods' addresses."""
        return int(next(iter(self.pods)).split(".")[1])


def _is_in(address: str, second: int) -> bool:
    return address.startswith(f"127.{second}.")


def name(door: ports.Listener, lab: Lab) -> str | None:
    """What README calls a door; None for one that it does not list."""
    if door.address in ("127.0.0.1", f"127.{lab.block}.0.1") and door.port == lab.api_port:
        return API
    if door.address == f"127.{lab.block}.0.1" and door.port == forward.PORT:
        return FORWARDER
    if door.address == "127.0.0.1":
        if door.port == lab.jupyter_port:
            return JUPYTERLAB
        return GATEWAYS if door.port in NODE_PORTS else None
    for still_open, is_it in STILL_OPEN.items():
        if is_it(door, lab):
            return still_open
    if door.address in lab.pods:
        return PODS
    if _is_in(door.address, lab.block + 2):
        return SERVICES
    return None


def of(roots: Collection[int]) -> list[ports.Listener]:
    """Every TCP socket that these processes and their descendants listen on."""
    family = {pid for root in roots for pid in (root, *processes.children(root))}
    inodes = {inode for pid in family for inode in _sockets(pid)}
    return [_plain(one) for one in ports.listeners() if one.inode in inodes]


def _sockets(pid: int) -> Iterator[int]:
    try:
        links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]  # noqa: PTH115 (they name no files)
    except OSError:
        return
    yield from (int(link[8:-1]) for link in links if link.startswith("socket:["))


def _plain(door: ports.Listener) -> ports.Listener:
    """An IPv4 address that a program listens on by IPv6 is the IPv4 address."""
    mapped = getattr(ipaddress.ip_address(door.address), "ipv4_mapped", None)
    return door if mapped is None else ports.Listener(**{**vars(door), "address": str(mapped)})
