"""Listeners and routes of a gateway."""

from collections.abc import Iterator, Mapping, Sequence

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import envoy, model, routes, services
from labkit.mesh.model import Resource


def selected(gateways: Sequence[Object], proxy: model.Proxy) -> list[Object]:
    """The Gateways that this proxy carries out."""
    labels = dict(proxy.labels)
    return [g for g in gateways if (g["spec"].get("selector") or {}).items() <= labels.items()]


def target_port(found: Mapping[str, services.Service], proxy: model.Proxy, number: int) -> tuple[int, int]:
    """(port of the pod, node port or 0) of a server's port: Services lead from 80 to 8080."""
    node_port = 0
    for service in found.values():
        chosen = service.namespace == proxy.namespace and service.selector
        if not chosen or not service.selector.items() <= dict(proxy.labels).items():
            continue
        for port, target in service.targets.items():
            if number in (port, target):
                return target, service.node_ports.get(port, node_port)
    return number, node_port


def listeners(
    found: Mapping[str, services.Service],
    gateways: Sequence[Object],
    rules: Sequence[Object],
    proxy: model.Proxy,
    cluster_of: routes.ClusterOf,
) -> Iterator[tuple[Resource, Resource]]:
    """Pairs of a listener and its route configuration, one for each port of the pod."""
    ports: dict[int, int] = {}
    hosts: dict[int, dict[str, list[Resource]]] = {}
    for gateway in selected(gateways, proxy):
        for server in gateway["spec"].get("servers") or []:
            if server["port"].get("protocol", "").upper() not in ("HTTP", "HTTP2", "GRPC"):
                continue
            number = server["port"]["number"]
            port, node_port = target_port(found, proxy, number)
            ports[port] = node_port
            into = hosts.setdefault(port, {})
            _add_rules(into, gateway, server, rules, cluster_of, number)
    for port, node_port in ports.items():
        if hosts[port]:
            yield _listener(proxy, port, node_port), _routes(port, hosts[port])


def _add_rules(
    into: dict[str, list[Resource]],
    gateway: Object,
    server: Object,
    rules: Sequence[Object],
    cluster_of: routes.ClusterOf,
    number: int,
) -> None:
    names = {resources.name_of(gateway), f"{resources.namespace_of(gateway)}/{resources.name_of(gateway)}"}
    for rule in rules:
        own = resources.namespace_of(rule) == resources.namespace_of(gateway)
        said = rule["spec"].get("gateways") or []
        if not any(g in names and ("/" in g or own) for g in said):
            continue
        for host in rule["spec"].get("hosts") or []:
            if any(fits(host, h.split("/")[-1]) for h in server.get("hosts") or []):
                made = routes.of_rules(rule, cluster_of, gateway=resources.name_of(gateway))
                into.setdefault(f"{host}:{number}", []).extend(made)


def fits(host: str, pattern: str) -> bool:
    """Whether a VirtualService's host is one of a server's hosts."""
    if "*" in (host, pattern):
        return True
    if pattern.startswith("*."):
        return host.endswith(pattern[1:])
    return host == pattern or (host.startswith("*.") and pattern.endswith(host[1:]))


def _routes(port: int, hosts: Mapping[str, list[Resource]]) -> Resource:
    made = []
    for name, found in hosts.items():
        host = name.rpartition(":")[0]
        made.append({"name": name, "domains": [host], "include_request_attempt_count": True, "routes": found})
    config = envoy.route_config(f"http.{port}", made)
    return {**config, "ignore_port_in_host_matching": True}


def _listener(proxy: model.Proxy, port: int, node_port: int) -> Resource:
    manager = envoy.connection_manager(
        f"outbound_0.0.0.0_{port};",
        rds=envoy.rds(f"http.{port}"),
        use_remote_address=True,
        forward_client_cert_details="SANITIZE_SET",
        set_current_client_cert_details={"subject": True, "cert": True, "dns": True, "uri": True},
    )
    found: Resource = {
        "name": f"0.0.0.0_{port}",
        "traffic_direction": "OUTBOUND",
        "address": envoy.address(proxy.ip, port),
        "filter_chains": [{"filters": [manager]}],
    }
    if node_port and proxy.node_ip:
        # The node's port is served by the gateway's own Envoy: nothing stands between a browser and it.
        found["additional_addresses"] = [{"address": envoy.address(proxy.node_ip, node_port)}]
    return found
