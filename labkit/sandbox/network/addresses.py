"""Loopback addresses: one for each pod, a private twin behind its proxy, and one for each Service."""

import contextlib
import ipaddress
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from labkit.base import errors, ports

NODE = "127.0.0.1"
"""The node's address: hostIP of every pod, where NodePorts listen."""

BASES = range(66, 250, 3)
"""Second numbers of blocks, in the order they are tried."""

HELD_PORT = 15999
"""Bound on a block's first address for as long as a sandbox uses the block."""

SERVICES = ipaddress.IPv4Network("10.96.0.0/16")
"""Where ClusterIPs come from, as on kind."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """Three neighbouring ranges: pods ``127.X.a.b``, their twins ``127.(X+1).a.b``, Services ``127.(X+2).c.d``."""

    base: int
    """X."""

    @property
    def service_base(self) -> int:
        """X + 2."""
        return self.base + 2

    def is_pod(self, address: str) -> bool:
        """Whether it lies in the range of pods."""
        return address.startswith(f"127.{self.base}.")

    def pod(self, number: int) -> str:
        """``Block(base=66).pod(258)`` is ``127.66.1.2``."""
        return f"127.{self.base}.{number >> 8}.{number & 255}"

    @property
    def gateway(self) -> str:
        """Where pods reach the API server: ``127.66.0.1``, which no pod gets."""
        return self.pod(1)

    def twin(self, pod_ip: str) -> str:
        """Where the app of a pod with a proxy listens: ``127.66.1.2`` gives ``127.67.1.2``."""
        a, b = pod_ip.split(".")[2:]
        return f"127.{self.base + 1}.{a}.{b}"

    def service_twin(self, cluster_ip: str) -> str:
        """Where a ClusterIP is really served: ``10.96.3.4`` gives ``127.68.3.4``."""
        c, d = cluster_ip.split(".")[2:]
        return f"127.{self.service_base}.{c}.{d}"

    def cluster_ip(self, twin: str) -> str:
        """The ClusterIP behind a service twin."""
        c, d = twin.split(".")[2:]
        return f"10.96.{c}.{d}"


class Pool:
    """Pod addresses of one block: what is taken stays taken until it is released."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self._taken: set[str] = set()
        # 127.X.0.1 holds the block.
        self._last = 1

    def __repr__(self) -> str:
        return f"Pool({self._block}, {len(self._taken)} taken)"

    def claim(self, address: str) -> bool:
        """Take exactly this address; False when it is of another block or taken."""
        if not self._block.is_pod(address) or address in self._taken:
            return False
        self._taken.add(address)
        return True

    def allocate(self) -> str:
        """The next free address. They are used in turn, so that one is not given to two pods in a row."""
        for _ in range(0xFFFF):
            self._last = self._last + 1 if self._last < 0xFFFE else 2
            address = self._block.pod(self._last)
            if self._last & 255 not in (0, 255) and self.claim(address):
                return address
        raise errors.SetupError("Every pod address is taken.", next_step="delete some pods")

    def release(self, address: str) -> None:
        """Give it back."""
        self._taken.discard(address)


@contextlib.contextmanager
def hold_block() -> Iterator[Block]:
    """The first block that no other sandbox of this machine holds; it is ours until the context ends."""
    for base in BASES:
        block = Block(base=base)
        holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            holder.bind((block.pod(1), HELD_PORT))  # and no more: nobody need be able to connect
        except OSError:
            holder.close()
            continue
        with holder:
            yield block
        return
    if ports.holder(HELD_PORT) != ports.NOBODY:
        raise errors.PortTakenError(HELD_PORT, holder=ports.holder(HELD_PORT), wanted_for="the sandbox")
    raise errors.SetupError(
        "This machine has no free range of loopback addresses (127.66.0.1 and following).",
        next_step="on Linux: ./lab down in labs you no longer need. macOS has 127.0.0.1 alone: use kind there",
    )
