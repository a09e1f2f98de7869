"""Which field of which object each part of an Envoy's configuration comes from. Pure.

Istio notes in the metadata of a route and of a cluster which object it was made of; the rule and the match are found by
their order and by where they lead, and from there on fields answer to fields.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.mesh import names
from labkit.mesh.explain.explanations import Source, source_of
from labkit.mesh.model import Config, Resource

Object = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, order=True)
class Link:
    """A field of an Envoy's resource, and the field of an object that it comes from."""

    kind: str
    """``virtual host``, ``cluster`` or ``listener``."""

    name: str
    path: str
    """In the resource: ``routes[0].route.timeout``."""

    object: str
    """``VirtualService default/reviews``."""

    field: str
    """In the object: ``spec.http[0].timeout``."""


POLICY = re.compile(r"^ns\[(?P<namespace>[^\]]*)\]-policy\[(?P<name>[^\]]*)\]-rule\[(?P<rule>\d+)\]$")

OF_RULE = (
    ("route.timeout", "timeout"),
    ("route.retry_policy", "retries"),
    ("route.request_mirror_policies", "mirror"),
    ("route.request_mirror_policies", "mirrors"),
    ("route.prefix_rewrite", "rewrite.uri"),
    ("route.regex_rewrite", "rewrite"),
    ("route.host_rewrite_literal", "rewrite.authority"),
    ("redirect", "redirect"),
    ("direct_response", "directResponse"),
    ("request_headers_to_add", "headers.request"),
    ("request_headers_to_remove", "headers.request.remove"),
    ("response_headers_to_add", "headers.response"),
    ("response_headers_to_remove", "headers.response.remove"),
)
"""Field of a route → field of its rule."""

OF_FILTERS = (("envoy.filters.http.fault", "fault"), ("envoy.filters.http.cors", "corsPolicy"))
OF_PATHS = ("path", "prefix", "path_separated_prefix", "safe_regex")
OF_PSEUDO = {":method": "method", ":authority": "authority", ":scheme": "scheme"}

OF_POLICY = (
    ("lb_policy", "loadBalancer"),
    ("ring_hash_lb_config", "loadBalancer.consistentHash"),
    ("maglev_lb_config", "loadBalancer.consistentHash"),
    ("circuit_breakers", "connectionPool"),
    ("connect_timeout", "connectionPool.tcp.connectTimeout"),
    ("upstream_connection_options", "connectionPool.tcp.tcpKeepalive"),
    ("typed_extension_protocol_options", "connectionPool.http"),
    ("outlier_detection", "outlierDetection"),
    ("transport_socket", "tls"),
    ("transport_socket_matches", "tls"),
)
"""Field of a cluster → field of a traffic policy."""


def links(config: Config, objects: Iterable[Object]) -> list[Link]:
    """Every link, by resource and path."""
    by_title = {title(obj): obj for obj in objects}
    unique = {
        *(link for table in config.routes.values() for link in _of_table(table, by_title)),
        *(link for cluster in config.clusters.values() for link in _of_cluster(cluster, by_title)),
        *(link for listener in config.listeners.values() for link in _of_listener(listener, by_title)),
    }
    return sorted(unique)


def title(obj: Object) -> str:
    """``VirtualService default/reviews``."""
    metadata = obj["metadata"]
    return f"{obj['kind']} {metadata.get('namespace') or 'default'}/{metadata['name']}"


def value_at(value: Any, path: str) -> Any:
    """The value of a path such as ``spec.http[0].route``; None where there is none."""
    for step in re.findall(r"[^.\[\]]+|\[\d+\]|\[[^\]]+\]", path):
        if step.startswith("["):
            inner = step[1:-1]
            value = (
                value[int(inner)] if inner.isdigit() and isinstance(value, list) and int(inner) < len(value) else None
            )
        else:
            value = value.get(step) if isinstance(value, dict) else None
        if value is None:
            return None
    return value


# Routes


def _of_table(table: Resource, by_title: Mapping[str, Object]) -> Iterator[Link]:
    for host in table.get("virtual_hosts") or ():
        yield from _of_host(host, by_title)
        places: dict[Source, tuple[int, int]] = {}
        for number, route in enumerate(host.get("routes") or ()):
            source = source_of(route)
            obj = by_title.get(str(source)) if source else None
            if source is None or obj is None:
                continue
            place = _place(route, obj, places.get(source, (0, -1)))
            yield Link(kind=HOST, name=host["name"], path="domains", object=str(source), field="spec.hosts")
            if place is not None:
                places[source] = place
                yield from _of_route(host["name"], f"routes[{number}]", route, source, obj, place)


HOST, CLUSTER, LISTENER = "virtual host", "cluster", "listener"


def _of_host(host: Resource, by_title: Mapping[str, Object]) -> Iterator[Link]:
    """A virtual host of a Service has the Service's names."""
    for obj in by_title.values():
        own = f"{obj['metadata']['name']}.{obj['metadata'].get('namespace') or 'default'}.svc."
        if obj["kind"] == "Service" and any(domain.startswith(own) for domain in host.get("domains") or ()):
            yield Link(kind=HOST, name=host["name"], path="name", object=title(obj), field="metadata.name")
        for field, name in _names_of(obj):
            if name in (host.get("domains") or ()):
                yield Link(kind=HOST, name=host["name"], path="name", object=title(obj), field=field)


def _names_of(obj: Object) -> Iterator[tuple[str, str]]:
    """Field and name of each host that an object brings itself."""
    spec = obj.get("spec") or {}
    if obj["kind"] == "ServiceEntry":
        yield from ((f"spec.hosts[{at}]", host) for at, host in enumerate(spec.get("hosts") or ()))
    if obj["kind"] in ("HTTPRoute", "GRPCRoute"):
        yield from ((f"spec.hostnames[{at}]", host) for at, host in enumerate(spec.get("hostnames") or ()))
    if obj["kind"] == "Ingress":
        yield from (
            (f"spec.rules[{at}].host", rule.get("host", "*")) for at, rule in enumerate(spec.get("rules") or ())
        )


def _place(route: Resource, obj: Object, after: tuple[int, int]) -> tuple[int, int] | None:
    """Which rule and which of its matches a route comes from: the next one that fits."""
    rules = (obj.get("spec") or {}).get("http") or ()
    for number, rule in enumerate(rules):
        for at, match in enumerate(rule.get("match") or ({},)):
            if (number, at) > after and _fits(route, rule, match):
                return number, at
    return None


def _fits(route: Resource, rule: Object, match: Object) -> bool:
    text_of_uri = next(iter((match.get("uri") or {}).values()), None)
    path = route.get("match") or {}
    texts = [path[key] if key != "safe_regex" else path[key].get("regex") for key in OF_PATHS if key in path]
    # A prefix may be written with or without its last slash, a regex without case has a mark before it.
    is_path = text_of_uri is None or any(str(text_of_uri).rstrip("/") in str(text) for text in texts)
    hosts = {d["host"] for entry in rule.get("route") or () if (d := entry.get("destination"))}
    clusters = [name.rpartition("|")[2] for name in _clusters(route)]
    is_there = not clusters or any(c.partition(".")[0] == h.partition(".")[0] for c in clusters for h in hosts)
    return is_path and is_there and ("redirect" in route) == ("redirect" in rule)


def _clusters(route: Resource) -> list[str]:
    action = route.get("route") or {}
    weighted = [c["name"] for c in (action.get("weighted_clusters") or {}).get("clusters") or ()]
    return weighted or ([action["cluster"]] if action.get("cluster") else [])


def _of_route(
    host: str, path: str, route: Resource, source: Source, obj: Object, place: tuple[int, int]
) -> Iterator[Link]:
    number, at = place
    base = f"spec.http[{number}]"
    rule = obj["spec"]["http"][number]

    def link(envoy: str, field: str) -> Link:
        return Link(kind=HOST, name=host, path=f"{path}.{envoy}", object=str(source), field=f"{base}.{field}")

    match = (rule.get("match") or [{}])[at]
    for key in OF_PATHS:
        if key in (route.get("match") or {}) and match.get("uri"):
            yield link(f"match.{key}", f"match[{at}].uri")
    for index, header in enumerate((route.get("match") or {}).get("headers") or ()):
        name = header["name"]
        places = (OF_PSEUDO.get(name, ""), f"headers.{name}", f"withoutHeaders.{name}")
        for field in places:
            if field and _has(match, field):
                yield link(f"match.headers[{index}]", f"match[{at}].{field}")
    for index, parameter in enumerate((route.get("match") or {}).get("query_parameters") or ()):
        yield link(f"match.query_parameters[{index}]", f"match[{at}].queryParams.{parameter['name']}")
    for envoy, field in OF_RULE:
        if value_at(route, envoy) is not None and value_at(rule, field) is not None:
            yield link(envoy, field)
    for envoy, field in OF_FILTERS:
        if envoy in (route.get("typed_per_filter_config") or {}) and field in rule:
            yield link(f"typed_per_filter_config[{envoy}]", field)
    yield from _of_destinations(route, rule, link)


def _has(match: Object, field: str) -> bool:
    key, _, name = field.partition(".")
    return key in match and (not name or name in {k.lower() for k in match[key]})


def _of_destinations(route: Resource, rule: Object, link: Any) -> Iterator[Link]:
    targets = [entry.get("destination") or {} for entry in rule.get("route") or ()]
    clusters = _clusters(route)
    is_weighted = "weighted_clusters" in (route.get("route") or {})
    for number, cluster in enumerate(clusters):
        at = _destination(cluster, targets)
        if at is None:
            continue
        place = f"route.weighted_clusters.clusters[{number}]" if is_weighted else "route"
        yield link(f"{place}.{'name' if is_weighted else 'cluster'}", f"route[{at}].destination")
        if is_weighted and "weight" in rule["route"][at]:
            yield link(f"{place}.weight", f"route[{at}].weight")


def _destination(cluster: str, targets: Sequence[Object]) -> int | None:
    parts = cluster.split("|")
    if len(parts) != 4:
        return None
    for at, target in enumerate(targets):
        same_host = target.get("host", "").partition(".")[0] == parts[3].partition(".")[0]
        if same_host and target.get("subset", "") == parts[2]:
            return at
    return None


# Clusters


def _of_cluster(cluster: Resource, by_title: Mapping[str, Object]) -> Iterator[Link]:
    name, parts = cluster["name"], cluster["name"].split("|")
    services = (((cluster.get("metadata") or {}).get("filter_metadata") or {}).get("istio") or {}).get("services") or ()
    for service in services:
        owner = f"{service.get('namespace')}/{service.get('name')}"
        yield from _of_port(name, parts[1] if len(parts) == 4 else "", owner, service.get("host", ""), by_title)
    if not services and len(parts) == 4:
        yield from _of_port(name, parts[1], "", parts[3], by_title)
    source = source_of(cluster)
    rule = by_title.get(str(source)) if source else None
    if source is None or rule is None:
        return
    subset = parts[2] if len(parts) == 4 else ""
    yield from _of_rule(cluster, str(source), rule, subset)


def _of_port(cluster: str, port: str, owner: str, host: str, by_title: Mapping[str, Object]) -> Iterator[Link]:
    for obj in by_title.values():
        spec, place = obj.get("spec") or {}, title(obj).partition(" ")[2]
        if obj["kind"] == "Service" and (place == owner or names.full_host(*reversed(place.split("/"))) == host):
            fields = [f"spec.ports[{at}]" for at, p in enumerate(spec.get("ports") or ()) if port in _numbers(p)]
            yield from (Link(kind=CLUSTER, name=cluster, path="name", object=title(obj), field=f) for f in fields)
        if obj["kind"] == "ServiceEntry" and host in (spec.get("hosts") or ()):
            fields = [f"spec.ports[{at}]" for at, p in enumerate(spec.get("ports") or ()) if str(p["number"]) == port]
            yield from (Link(kind=CLUSTER, name=cluster, path="name", object=title(obj), field=f) for f in fields)


def _numbers(port: Object) -> tuple[str, ...]:
    """The numbers under which a Service's port stands in names: its own, and the pods' for inbound clusters."""
    return str(port["port"]), str(port.get("targetPort", port["port"]))


def _of_rule(cluster: Resource, source: str, rule: Object, subset: str) -> Iterator[Link]:
    spec = rule.get("spec") or {}
    bases = ["spec.trafficPolicy"]
    for at, entry in enumerate(spec.get("subsets") or ()):
        if entry["name"] == subset:
            path = f"spec.subsets[{at}]"
            yield Link(kind=CLUSTER, name=cluster["name"], path="name", object=source, field=path)
            bases.insert(0, f"{path}.trafficPolicy")
    if not subset:
        yield Link(kind=CLUSTER, name=cluster["name"], path="metadata", object=source, field="spec.host")
    for envoy, field in OF_POLICY:
        own = next((f"{base}.{field}" for base in bases if value_at(rule, f"{base}.{field}") is not None), None)
        if own and envoy in cluster:
            yield Link(kind=CLUSTER, name=cluster["name"], path=envoy, object=source, field=own)


# Listeners


def _of_listener(listener: Resource, by_title: Mapping[str, Object]) -> Iterator[Link]:
    name = listener.get("name", "")
    number = name.rpartition("_")[2]
    for obj in by_title.values():
        spec = obj.get("spec") or {}
        if obj["kind"] == "Service":
            for at, port in enumerate(spec.get("ports") or ()):
                if str(port["port"]) == number:
                    yield Link(kind=LISTENER, name=name, path="name", object=title(obj), field=f"spec.ports[{at}].port")
        if obj["kind"] in ("Gateway", "ServiceEntry") and "gatewayClassName" not in spec:
            yield from _of_servers(name, number, obj, by_title)
    for path, policy in _policies(listener, ""):
        match = POLICY.match(policy)
        if match:
            owner = f"AuthorizationPolicy {match['namespace']}/{match['name']}"
            yield Link(kind=LISTENER, name=name, path=path, object=owner, field=f"spec.rules[{match['rule']}]")


def _of_servers(name: str, number: str, obj: Object, by_title: Mapping[str, Object]) -> Iterator[Link]:
    key = "servers" if obj["kind"] == "Gateway" else "ports"
    for at, entry in enumerate((obj.get("spec") or {}).get(key) or ()):
        port = (entry.get("port") or {}).get("number") if key == "servers" else entry.get("number")
        if number in {str(port), *_targets(port, by_title)}:
            field = f"spec.{key}[{at}].{'port' if key == 'servers' else 'number'}"
            yield Link(kind=LISTENER, name=name, path="address", object=title(obj), field=field)


def _targets(port: Any, by_title: Mapping[str, Object]) -> set[str]:
    """Target ports of gateways' Services: a Gateway's port 80 is served at 8080 of the pod."""
    services = [o for o in by_title.values() if o["kind"] == "Service" and "istio" in (o["spec"].get("selector") or {})]
    ports = [p for service in services for p in service["spec"].get("ports") or ()]
    return {str(p.get("targetPort", p["port"])) for p in ports if p["port"] == port}


def _policies(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for at, item in enumerate(value):
            yield from _policies(item, f"{path}[{at}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            here = f"{path}.{key}" if path else str(key)
            if key == "policies" and isinstance(item, dict):
                yield from ((f"{here}[{name}]", name) for name in item)
            yield from _policies(item, here)
