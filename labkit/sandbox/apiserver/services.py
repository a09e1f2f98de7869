"""Addresses of Services: cluster IPs of 10.96.0.0/16, and node ports that are free on this machine too."""

import ipaddress
import random
from collections.abc import Iterator

from labkit.base import ports
from labkit.kube.resources import Object
from labkit.sandbox.apiserver.calls import Call
from labkit.sandbox.apiserver.core import Core
from labkit.sandbox.apiserver.objects import schemas, validation
from labkit.sandbox.apiserver.objects.validation import Cause

RANGE = ipaddress.ip_network("10.96.0.0/16")
FIRST_PORT, LAST_PORT = 30000, 32767
HOST = "127.0.0.1"
HEADLESS = "None"
EXTERNAL = "ExternalName"
WITH_PORTS = ("NodePort", "LoadBalancer")
OF_OPEN_TYPES = ("externalTrafficPolicy", "healthCheckNodePort", "allocateLoadBalancerNodePorts")
"""What goes when a Service is no longer of one of these types."""


class Addresses:
    """Gives out addresses; what is taken is read off the stored Services each time."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._random = random.Random()

    async def carry(self, call: Call, new: Object, old: Object | None) -> Object | None:
        """An update that leaves addresses out keeps those the Service has."""
        if call.served.key != "/services" or old is None or call.subresource == "status":
            return None
        spec, before = dict(new.get("spec") or {}), old.get("spec") or {}
        if spec.get("type") == EXTERNAL:
            for key in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
                if spec.get(key) == before.get(key):
                    spec.pop(key, None)
            return {**new, "spec": spec}
        if before.get("type") != EXTERNAL:
            for key in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
                if not spec.get(key) and before.get(key):
                    spec[key] = before[key]
            if spec.get("clusterIP") and not spec.get("clusterIPs"):
                spec["clusterIPs"] = [spec["clusterIP"]]
        held = {(p.get("protocol"), p["port"]): p.get("nodePort") for p in before.get("ports") or []}
        if spec.get("type") in WITH_PORTS and spec.get("ports"):
            taken = {p.get("nodePort") for p in spec["ports"]}
            spec["ports"] = [
                p
                if p.get("nodePort") or not (n := held.get((p.get("protocol"), p["port"]))) or n in taken
                else {**p, "nodePort": n}
                for p in spec["ports"]
            ]
            if _needs_health_port(spec) and before.get("healthCheckNodePort"):
                spec.setdefault("healthCheckNodePort", before["healthCheckNodePort"])
        elif before.get("type") in WITH_PORTS:
            spec["ports"] = [_dropped(p, held) for p in spec.get("ports") or []]
            for key in OF_OPEN_TYPES:
                if spec.get(key) == before.get(key):
                    spec.pop(key, None)
        return {**new, "spec": spec}

    def allocate(self, call: Call, new: Object, old: Object | None) -> Object:
        """The Service with the addresses its type asks for; called without a pause before it is stored."""
        if call.served.key != "/services" or call.subresource == "status":
            return new
        spec = dict(new.get("spec") or {})
        if spec.get("type") == EXTERNAL:
            return new
        if not spec.get("clusterIP"):
            spec["clusterIP"] = self._address()
        elif spec["clusterIP"] != HEADLESS:
            self._check_address(call, spec["clusterIP"], old)
        spec["clusterIPs"] = spec.get("clusterIPs") or [spec["clusterIP"]]
        is_free = spec.get("clusterIP") == "None" and not spec.get("selector")
        both = is_free and spec.get("ipFamilyPolicy") == "RequireDualStack"
        spec.setdefault("ipFamilies", ["IPv4", "IPv6"] if both else ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")
        if _wants_ports(spec):
            self._give_ports(call, spec, old)
        return {**new, "spec": spec}

    def _give_ports(self, call: Call, spec: Object, old: Object | None) -> None:
        own = set(_node_ports(old or {}))
        used = {port for service in self._others(call) for port in _node_ports(service)}
        given: dict[tuple[int, str], int] = {}
        for at, port in enumerate(spec.get("ports") or []):
            asked = port.get("nodePort")
            if asked and asked in used and asked not in own:
                raise _refused(call, f"spec.ports[{at}].nodePort", str(asked), "provided port is already allocated")
            if asked and asked not in own and not FIRST_PORT <= asked <= LAST_PORT:
                valid = f"The range of valid ports is {FIRST_PORT}-{LAST_PORT}"
                why = f"provided port is not in the valid range. {valid}"
                raise _refused(call, f"spec.ports[{at}].nodePort", str(asked), why)
            if asked:
                given[asked, port.get("protocol", "TCP")] = asked
        listed = []
        for port in spec.get("ports") or []:
            taken = used | own | set(given.values())
            number = port.get("nodePort") or self._port(taken, f"{call.namespace}/{call.name}:{port.get('port')}")
            given[number, port.get("protocol", "TCP")] = number
            listed.append(port if port.get("nodePort") else {**port, "nodePort": number})
        spec["ports"] = listed
        if _needs_health_port(spec) and not spec.get("healthCheckNodePort"):
            taken = used | own | set(given.values())
            spec["healthCheckNodePort"] = self._port(taken, f"{call.namespace}/{call.name}:health")

    def _address(self) -> str:
        used = {(s.get("spec") or {}).get("clusterIP") for s in self._services()}
        while True:
            # Not the network itself, the API server's address, or the broadcast address.
            taken = str(RANGE[self._random.randrange(256, RANGE.num_addresses - 256)])
            if taken not in used:
                return taken

    def _check_address(self, call: Call, address: str, old: Object | None) -> None:
        if ((old or {}).get("spec") or {}).get("clusterIP") == address:
            return
        try:
            inside = ipaddress.ip_address(address) in RANGE
        except ValueError:
            return
        if not inside:
            why = f"failed to allocate IP {address}: the provided network does not match the current range"
            raise _refused(call, "spec.clusterIPs", f'["{address}"]', why)
        if any((s.get("spec") or {}).get("clusterIP") == address for s in self._others(call)):
            why = f"failed to allocate IP {address}: provided IP is already allocated"
            raise _refused(call, "spec.clusterIPs", f'["{address}"]', why)

    def _port(self, used: set[int], owner: str) -> int:
        """A free number; the same one again for a Service that is made anew, so that its address goes on working."""
        cluster = self._core.peek("/namespaces", "", "kube-system") or {}
        numbers = random.Random(f"{cluster.get('metadata', {}).get('uid')}/{owner}")
        for _ in range(10_000):
            number = numbers.randint(FIRST_PORT, LAST_PORT)
            if number not in used and ports.is_free(HOST, number):
                return number
        raise RuntimeError("no node port is free on this machine")

    def _services(self) -> Iterator[Object]:
        return (item.object for item in self._core.store.table("/services").items())

    def _others(self, call: Call) -> Iterator[Object]:
        here = (call.namespace, call.name)
        return (s for s in self._services() if (s["metadata"]["namespace"], s["metadata"]["name"]) != here)


def _wants_ports(spec: Object) -> bool:
    kind = spec.get("type")
    return kind == "NodePort" or (kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts", True))


def _needs_health_port(spec: Object) -> bool:
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def _node_ports(service: Object) -> list[int]:
    spec = service.get("spec") or {}
    taken = [p["nodePort"] for p in spec.get("ports") or [] if p.get("nodePort")]
    return [*taken, spec["healthCheckNodePort"]] if spec.get("healthCheckNodePort") else taken


def _dropped(port: Object, held: dict[tuple[str | None, int], int | None]) -> Object:
    if port.get("nodePort") and port["nodePort"] == held.get((port.get("protocol"), port["port"])):
        return {k: v for k, v in port.items() if k != "nodePort"}
    return port


def _refused(call: Call, field: str, value: str, why: str) -> Exception:
    schema = schemas.builtin("v1", "Service")
    assert schema is not None
    cause = Cause("FieldValueInvalid", f"Invalid value: {value}: {why}", field)
    return validation.invalid(schema, call.name, [cause])
