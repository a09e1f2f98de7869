"""Which connections of a pod its Envoy gets: what istio-iptables would tell the kernel, as data.

The rules are read from the arguments of the pod's own ``istio-init`` container, in the order in which istio-iptables
appends them (istio.io/istio, tools/istio-iptables/pkg/capture/run.go). A pod without that container captures nothing.
"""

import enum
import ipaddress
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labkit.kube.resources import Object

INIT = "istio-init"
PROXY_UID = 1337
INTERFACE = "eth0"
"""The one interface of a pod beside its loopback."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, kw_only=True)
class Ports:
    """A choice of ports: ``8080 in Ports(excluded=frozenset({8080}))`` is False."""

    included: frozenset[int] | None = None
    """None stands for all."""

    excluded: frozenset[int] = frozenset()

    def __contains__(self, port: int) -> bool:
        return (self.included is None or port in self.included) and port not in self.excluded


ALL, NONE = Ports(), Ports(included=frozenset())


class Way(enum.Enum):
    """Where a connection goes first."""

    LOCAL = "local"
    """To the pod itself."""

    CAPTURED = "captured"
    """To its Envoy."""

    DIRECT = "direct"
    """Past its Envoy."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """One pod's."""

    inbound: Ports = NONE
    outbound: Ports = NONE
    """Ports that are captured whatever their address (``-q``), and those that never are (``-o``)."""

    networks: tuple[Network, ...] | None = ()
    """Addresses that are captured (``-i``); None stands for all."""

    exempt: tuple[Network, ...] = ()
    """Addresses that are not (``-x``)."""

    uid: int = PROXY_UID
    """Whose connections are never captured."""

    def way(self, address: str, port: int, *, own: str, uid: int = 0) -> Way:
        """The way of a connection of the pod with address ``own``, made by a process of user ``uid``."""
        there = ipaddress.ip_address(address)
        # Loopback connections leave by `-o lo`, which nothing redirects but the proxy's own.
        if address == own or address == "127.0.0.1" or there == ipaddress.ip_address("::1"):
            return Way.LOCAL
        is_captured = (
            uid != self.uid
            and port not in self.outbound.excluded
            and not any(there in network for network in self.exempt)
            and (port in (self.outbound.included or ()) or self._is_included(there))
        )
        return Way.CAPTURED if is_captured else Way.DIRECT

    def _is_included(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        return self.networks is None or any(address in network for network in self.networks)


NOTHING = Rules()


def of_pod(pod: Object) -> Rules:
    """The rules that its ``istio-init`` sets; none where there is no such container."""
    for container in (pod.get("spec") or {}).get("initContainers") or []:
        if container.get("name") == INIT:
            return of_arguments([str(word) for word in container.get("args") or []])
    return NOTHING


def of_arguments(words: Sequence[str]) -> Rules:
    """The rules that ``istio-iptables WORDS`` sets."""
    listed = _options(words)
    if INTERFACE in _parts(listed.get("-c", "")):
        # Whatever comes or goes by an excluded interface returns before any other rule.
        return NOTHING
    included = listed.get("-b", "")
    return Rules(
        inbound=Ports(
            included=None if included == "*" else _numbers(included),
            excluded=_numbers(listed.get("-d", "")) if included == "*" else frozenset(),
        ),
        outbound=Ports(included=_numbers(listed.get("-q", "")), excluded=_numbers(listed.get("-o", ""))),
        networks=None if listed.get("-i", "") == "*" else _networks(listed.get("-i", "")),
        exempt=_networks(listed.get("-x", "")),
        uid=int(listed.get("-u") or PROXY_UID),
    )


def _options(words: Sequence[str]) -> Mapping[str, str]:
    pairs = itertools.pairwise(words)
    return {word: value for word, value in pairs if word.startswith("-") and not value.startswith("--")}


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _numbers(text: str) -> frozenset[int]:
    return frozenset(int(part) for part in _parts(text) if part.isdigit())


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(part, strict=False) for part in _parts(text) if part != "*")
