"""What the pass must know of a pod, and the names of the sockets in its folder."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh.captured_ports import ALL, Ports

OUTBOUND = "outbound.sock"
"""Takes captured connections of the pod's programs; each begins with a PROXY header."""

INBOUND = "inbound.sock"
"""Takes connections to ports of the pod that its Envoy does not listen on itself; each begins with a PROXY header."""

NETWORK = "network.sock"
"""Served by the sandbox: Envoy's way to addresses that need a kernel; each connection begins with a PROXY header."""

PASSTHROUGH = "passthrough.sock"
"""Served by the sandbox: Envoy's way to ports of the pod that it was told nothing of; with a PROXY header too."""

METRICS = "metrics.sock"
"""Served by the sandbox: what Istio's agent answers at ``:15020/stats/prometheus``."""

WORKLOAD = "LABKIT_WORKLOAD"
"""The variable that tells a pod's Envoy which workload it is of, as Istio's endpoints are marked."""

SERVICES = "10.96."
"""How ClusterIPs begin, as on kind."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """One Envoy's pod. Sockets are named relative to the pod's folder, where Envoy runs."""

    ip: str
    """The pod's address."""

    ports: frozenset[int] = frozenset()
    """Ports that the pod's containers declare; those that Istio's inbound chains name need not be among them."""

    captured: Ports = ALL
    """Inbound ports that go to Envoy; the others are the app's own."""

    node_ip: str = ""
    """Where a gateway's Envoy serves node ports itself; empty where it cannot."""

    node_ports: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """Port of a gateway's pod → node ports that lead there."""

    def reachable(self, address: str) -> str:
        """The address that stands for one: a ClusterIP is served at the Service's twin, ``127.(X+2).c.d``."""
        block = self.ip.split(".")
        if not address.startswith(SERVICES) or block[0] != "127":
            return address
        c, d = address.split(".")[2:]
        return f"127.{int(block[1]) + 2}.{c}.{d}"


def app_socket(port: int) -> str:
    """What listens on ``localhost:PORT`` of the pod: the app, or Envoy's own ports such as 15000."""
    return f"{port}.sock"


def announced_socket(port: int) -> str:
    """The same for ambient: each connection begins with a PROXY header, so the program knows who calls."""
    return f"{port}.from.sock"


def node_ports(services: Iterable[Object], pod: Object) -> Mapping[int, tuple[int, ...]]:
    """Port of the pod → node ports of the Services that select it."""
    labels, namespace = resources.labels_of(pod), resources.namespace_of(pod)
    leading: defaultdict[int, set[int]] = defaultdict(set)
    for service in services:
        selector = service["spec"].get("selector") or {}
        if not selector or resources.namespace_of(service) != namespace or not selector.items() <= labels.items():
            continue
        for port in service["spec"].get("ports") or []:
            target = _number(pod, port.get("targetPort") or port["port"])
            if port.get("nodePort") and target:
                leading[target].add(port["nodePort"])
    return {target: tuple(sorted(numbers)) for target, numbers in leading.items()}


def _number(pod: Object, port: int | str) -> int:
    if isinstance(port, int):
        return port
    declared = (p for c in pod["spec"].get("containers") or [] for p in c.get("ports") or [])
    return next((int(p["containerPort"]) for p in declared if p.get("name") == port), 0)
