"""Numbers that Services are given: addresses of the cluster and ports of the node."""

import ipaddress
import random
import socket
from collections.abc import Iterable

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import refusals

SERVICE_RANGE = ipaddress.ip_network("10.96.0.0/16")
NODE_PORTS = range(30000, 32768)
KUBERNETES = "10.96.0.1"


class Numbers:
    """Which addresses and ports are taken; learnt from the Services that are there."""

    def __init__(self, services: Iterable[Object] = ()) -> None:
        self._addresses: set[str] = {KUBERNETES}
        self._ports: set[int] = set()
        for service in services:
            self._take(service)

    def given(self, storage: str, new: Object, old: Object | None, *, keep: bool) -> Object:
        """A Service with every number it needs; ``keep`` is False for a dry run."""
        if storage != "services" or new["spec"].get("type") == "ExternalName":
            return new
        spec = dict(new["spec"])
        self._address(spec, (old or {}).get("spec", {}))
        if spec.get("type") in ("NodePort", "LoadBalancer"):
            known = {
                (p.get("protocol"), p["port"]): p.get("nodePort") for p in (old or {}).get("spec", {}).get("ports", [])
            }
            spec["ports"] = [
                self._port(p, known.get((p.get("protocol"), p["port"])), new) for p in spec.get("ports", [])
            ]
        made = {**new, "spec": spec}
        if keep:
            if old is not None:
                self._release(old)
            self._take(made)
        return made

    def returned(self, storage: str, old: Object) -> None:
        """Give back what a deleted Service had."""
        if storage == "services":
            self._release(old)

    def _address(self, spec: Object, old: Object) -> None:
        address = spec.get("clusterIP") or old.get("clusterIP") or self._free_address()
        spec["clusterIP"] = address
        spec["clusterIPs"] = [address]
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")

    def _free_address(self) -> str:
        while True:
            address = str(SERVICE_RANGE[random.randrange(256, SERVICE_RANGE.num_addresses - 1)])
            if address not in self._addresses:
                return address

    def _port(self, port: Object, known: int | None, service: Object) -> Object:
        asked = port.get("nodePort")
        if asked:
            if asked in self._ports and asked != known:
                raise refusals.refusal(
                    422,
                    "Invalid",
                    f'Service "{service["metadata"]["name"]}" is invalid: spec.ports[0].nodePort: Invalid value: {asked}:'
                    " provided port is already allocated",
                )
            return port
        return {**port, "nodePort": known or self._free_port()}

    def _free_port(self) -> int:
        # A port of this machine, so one that nobody else here listens on.
        for port in random.sample(NODE_PORTS, len(NODE_PORTS)):
            if port not in self._ports and _is_free(port):
                return port
        raise refusals.internal("failed to allocate a nodePort: range is full")

    def _take(self, service: Object) -> None:
        spec = service["spec"]
        if spec.get("clusterIP") not in (None, "", "None"):
            self._addresses.add(spec["clusterIP"])
        self._ports.update(p["nodePort"] for p in spec.get("ports", []) if p.get("nodePort"))

    def _release(self, service: Object) -> None:
        spec = service["spec"]
        self._addresses.discard(spec.get("clusterIP", ""))
        self._ports.difference_update(p["nodePort"] for p in spec.get("ports", []) if p.get("nodePort"))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
