"""Where a gateway's Service is reached from here: one list of ways, the first that works.

1. ``LABKIT_GATEWAY_URL``, for the ingress gateway
2. the Service's own name, where we are in the cluster ourselves
3. ports of 127.0.0.1 that a kind cluster of the kit maps to node ports
4. the load balancer's address
5. a node's address and the node port
6. a forwarder on 127.0.0.1, which leads through the API server to a pod
"""

import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from labkit.base import errors, settings
from labkit.clusters import capabilities, cluster, forwarder
from labkit.kube import client, resources, status
from labkit.kube.resources import Object

OVERRIDE = "LABKIT_GATEWAY_URL"
STATUS_PORT = 15021
"""Where every gateway answers health checks, whether or not a Gateway opens another port."""

HOST_PORTS = "labkit.dev/host-ports"
"""On the Namespace ``kube-system``: ``30080=8080,30443=8443``, node ports and the ports of 127.0.0.1 mapped to them."""

IN_CLUSTER = Path("/var/run/secrets/kubernetes.io/serviceaccount")

CONNECT = 1.5
"""Seconds for a connection: an address that is not routed answers nothing at all."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """An address that may lead to a port of a Service."""

    how: str
    host: str
    port: int
    status_port: int | None = None
    """Where the status port is at the same address."""


def ways(
    service: Object, nodes: list[Object], *, port: int, host_ports: Mapping[int, int], is_inside: bool
) -> Iterator[Way]:
    """Every address that the Service's own words promise, in the order in which to try them."""
    entries = {entry["port"]: entry for entry in service["spec"].get("ports") or []}
    if port not in entries:
        return
    health = STATUS_PORT if STATUS_PORT in entries else None
    node_port = entries[port].get("nodePort")
    node_health = entries.get(STATUS_PORT, {}).get("nodePort")
    if is_inside:
        name = f"{resources.name_of(service)}.{resources.namespace_of(service)}.svc.cluster.local"
        yield Way(how="inside the cluster", host=name, port=port, status_port=health)
    if node_port in host_ports:
        mapped = host_ports[node_port]
        yield Way(how="kind", host="127.0.0.1", port=mapped, status_port=host_ports.get(node_health))
    for entry in (service.get("status", {}).get("loadBalancer") or {}).get("ingress") or []:
        if host := entry.get("ip") or entry.get("hostname"):
            yield Way(how="load balancer", host=host, port=port, status_port=health)
    if node_port:
        for host in _hosts(nodes):
            yield Way(how="node port", host=host, port=node_port, status_port=node_health)


def _hosts(nodes: list[Object]) -> list[str]:
    """Addresses of the nodes, inner ones first."""
    listed = [entry for node in nodes for entry in node.get("status", {}).get("addresses") or []]
    return [e["address"] for kind in ("InternalIP", "ExternalIP") for e in listed if e["type"] == kind]


def find(api: client.Client, service: str, namespace: str, *, port: int, is_ingress: bool) -> tuple[str, int] | None:
    """Host and port by the first way that works; None where there is no such Service."""
    if is_ingress and (named := override()):
        return named
    live = _service(api, service, namespace)
    if live is None:
        return None
    listed = list(ways(live, _nodes(api), port=port, host_ports=_host_ports(api), is_inside=IN_CLUSTER.exists()))
    key = api.kubeconfig, api.context, namespace, service, port
    listed.sort(key=lambda way: (way.host, way.port) != _last.get(key))
    refused = None
    for way in listed:
        answer = probe(way)
        if answer == "open":
            _last[key] = way.host, way.port
            return way.host, way.port
        if answer == "refused" and way.how == "node port":
            refused = refused or way
    if refused:
        # The node itself said no, so it is there: nobody listens yet.
        return refused.host, refused.port
    if forwarder.pod_of(api, service, namespace, port):
        return _forwarded(api, service, namespace, port)
    # No pod is ready: whoever asks at the address that is promised, or at the forwarder's, learns so.
    if listed:
        return listed[0].host, listed[0].port
    return _forwarded(api, service, namespace, port) if forwarder.leads(live, port) else None


def _forwarded(api: client.Client, service: str, namespace: str, port: int) -> tuple[str, int] | None:
    where = cluster.Cluster(kubeconfig=api.kubeconfig, context=api.context)
    return forwarder.address(settings.Paths(), where, service, namespace, port)


def require_readable(api: client.Client, service: str, namespace: str) -> None:
    """SetupError where the environment names no address and this user may not read the Service that has one."""
    if not override():
        _service(api, service, namespace)


def _service(api: client.Client, service: str, namespace: str) -> Object | None:
    try:
        live: Object | None = api.find(resources.SERVICES, service, namespace)
        return live
    except status.StatusError as e:
        if e.code != 403:
            raise
        raise errors.SetupError(
            f"You may not read Service {service} in namespace {namespace}, and so the kit does not know its address.",
            next_step=f"ask for its address, then: export {OVERRIDE}=http://ADDRESS:PORT",
        ) from e


_last: dict[tuple[Any, ...], tuple[str, int]] = {}
"""The way that worked last, which is tried first."""


def override() -> tuple[str, int] | None:
    """The address that the environment names; SetupError where it is none."""
    from urllib.parse import urlsplit

    text = os.environ.get(OVERRIDE)
    if not text:
        return None
    parts = urlsplit(text)
    try:
        port = parts.port or 80
    except ValueError:
        port = 0
    if parts.scheme != "http" or not parts.hostname or not port or parts.path.strip("/"):
        raise errors.SetupError(
            f"{OVERRIDE}={text} is no address of a gateway.", next_step=f"export {OVERRIDE}=http://ADDRESS:PORT"
        )
    return parts.hostname, port


Probed = Literal["open", "refused", "silent"]


def probe(way: Way) -> Probed:
    """Whether connections get there, to the gateway's health check or to the port itself."""
    answers = []
    for port in (way.status_port, way.port):
        if port:
            answers.append(_connection(way.host, port))
            if answers[-1] != "refused":
                return answers[-1]  # an address that is silent once will be silent again
    return "refused" if answers else "silent"


def _connection(host: str, port: int) -> Probed:
    try:
        socket.create_connection((host, port), timeout=CONNECT).close()
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "silent"
    return "open"


def _nodes(api: client.Client) -> list[Object]:
    try:
        return api.list(resources.NODES)
    except status.StatusError as e:
        if e.code != 403:
            raise
        return []


def _host_ports(api: client.Client) -> dict[int, int]:
    system = capabilities.readable(api, resources.NAMESPACES, "kube-system")
    text = resources.annotations_of(system or {}).get(HOST_PORTS, "")
    pairs = [part.split("=") for part in text.split(",") if part.count("=") == 1]
    return {int(node): int(host) for node, host in pairs if node.isdigit() and host.isdigit()}
