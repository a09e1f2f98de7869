"""Asking one Envoy which way a request would take, which object decided at each step, and where that is written."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import SplitResult, urlsplit

from labkit.kube import client, positions, resources
from labkit.kube.resources import Object
from labkit.lab import snapshots
from labkit.mesh import origins
from labkit.mesh.explain import access, addresses, arrivals, connections, explanations
from labkit.mesh.explain.arrivals import Arrival
from labkit.mesh.explain.connections import Connection
from labkit.mesh.explain.explanations import Explanation
from labkit.mesh.model import Config, Snapshot
from labkit.mesh.policies import decisions
from labkit.telemetry import limits, proxies
from labkit.views import way
from labkit.views.way import Written


def explain(
    api: client.Client,
    proxy: proxies.Proxy,
    where: str,
    *,
    gateway: Callable[[], str],
    method: str,
    headers: Mapping[str, str],
) -> way.Way:
    """The way of a request by its path at the gateway, or by its URL inside the mesh."""
    url = where if "://" in where else gateway() + where
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    others = {name: value for name, value in headers.items() if name.lower() != "host"}
    host = next((value for name, value in headers.items() if name.lower() == "host"), parts.netloc)
    request = explanations.Request(host=host, path=path or "/", method=method, headers=others, scheme=parts.scheme)
    config = explanations.from_dump(json.loads(proxy.ask("config_dump?include_eds")))
    name, _, namespace = proxy.name.rpartition(".")
    pod = api.find(resources.PODS, name, namespace)
    snapshot = snapshots.whole(api) if pod is not None else None
    connection = _connection(config, snapshot, pod, parts)
    explanation = explanations.explain(config, request, connection=connection)
    if pod is None or snapshot is None:
        return way.Way(request=f"{method} {url}", proxy=proxy.name, explanation=explanation)
    asked = decisions.Request(
        port=connection.port or 0, method=method, host=host, path=parts.path or "/", headers=others
    )
    steps = list(_arrivals(snapshot, pod, explanation, asked))
    servers = _servers(snapshot, explanation)
    return way.Way(
        request=f"{method} {url}",
        proxy=proxy.name,
        explanation=explanation,
        arrivals=steps,
        limits=[limit for one in (pod, *servers) for limit in _limits(snapshot, one)],
        written=_written(snapshot, pod, explanation, steps),
    )


def _connection(config: Config, snapshot: Snapshot | None, pod: Object | None, parts: SplitResult) -> Connection:
    """The connection that a client makes for a URL: to a Service's address, or to a port of the gateway's Service."""
    host, is_tls = parts.hostname or "", parts.scheme == "https"
    port: int | None = parts.port or (connections.HTTPS_PORT if is_tls else connections.HTTP_PORT)
    address = ""
    if snapshot is not None and pod is not None and port is not None:
        if connections.is_sidecar(config):
            address = addresses.of_host(snapshot, host, resources.namespace_of(pod))
        else:
            # A URL of a forwarded port names no port of the Service: then the first listener with routes is meant.
            port = addresses.listener_port(snapshot, pod, port)
    return Connection(port=port, address=address, host=host, is_tls=is_tls)


def _arrivals(snapshot: Snapshot, pod: Object, explanation: Explanation, asked: decisions.Request) -> Iterator[Arrival]:
    callers = access.workloads([pod])
    if not callers:
        return
    if callers[0].role == access.GATEWAY:
        yield from arrivals.at_gateway(snapshot, callers[0], asked)
    yield from arrivals.of(snapshot, callers[0], explanation, asked)


def _servers(snapshot: Snapshot, explanation: Explanation) -> list[Object]:
    """A pod of each workload that the request may be sent to."""
    addresses = {e.rpartition(":")[0] for d in explanation.destinations for e in d.endpoints}
    pods = [pod for pod in snapshot.of("pods") if (pod.get("status") or {}).get("podIP") in addresses]
    return list({workload.name: pod for pod in pods for workload in access.workloads([pod])}.values())


def _limits(snapshot: Snapshot, pod: Object) -> Iterator[tuple[str, Written]]:
    """Rate limits that a pod's proxy keeps or asks for: what each admits, and the EnvoyFilter that brings it."""
    where = next((workload.name for workload in access.workloads([pod])), resources.name_of(pod))
    tracer = origins.Tracer(snapshot, snapshots.proxy_of(pod))
    kind = snapshots.key_of(resources.ENVOY_FILTERS)
    for obj in snapshot.of(kind):
        traced = tracer.of(kind, obj)
        fields = {place: field for place, field in traced.items() if "token_bucket" in place[2]}
        for most, per in sorted(set(limits.buckets(_resources(tracer, fields)).values())):
            field = next((field for place, field in fields.items() if place[2][-1] == "max_tokens"), "spec")
            yield f"at {where}: {most} requests in {per:g} s", _place(obj, field)
        asked = [field for place, field in traced.items() if {"rate_limits", "rate_limit_service"} & {*place[2]}]
        if asked:
            yield f"at {where}: counted by the rate limit service", _place(obj, asked[0])


def _resources(tracer: origins.Tracer, fields: Mapping[origins.Place, str]) -> Object:
    return {f"{kind} {name}": getattr(tracer.config, kind)[name] for kind, name, _ in fields}


def _written(snapshot: Snapshot, pod: Object, explanation: Explanation, steps: Sequence[Arrival]) -> dict[str, Written]:
    """Object → the field that decided, and its line in the object's YAML."""
    tracer = origins.Tracer(snapshot, snapshots.proxy_of(pod))
    places: dict[str, Written] = {}
    for source in explanation.sources:
        if (pair := _object(snapshot, str(source))) is not None:
            fields = tracer.of(*pair)
            if source == explanation.source:
                places[str(source)] = _place(pair[1], _of_route(tracer, explanation, fields))
            for destination in explanation.destinations:
                if destination.source == source:
                    places[destination.cluster] = _place(pair[1], _of_cluster(destination.cluster, fields))
    for step in steps:
        if step.object and (pair := _object(snapshot, step.object)) is not None:
            places[step.object] = _place(pair[1], step.field)
    return places


def _of_route(tracer: origins.Tracer, explanation: Explanation, fields: Mapping[origins.Place, str]) -> str:
    """``spec.http[1]``: the rule behind the route that was taken."""
    table = tracer.config.routes.get(explanation.table) or {}
    hosts = [h["name"] for h in table.get("virtual_hosts") or ()]
    if explanation.virtual_host not in hosts:
        return "spec"
    start = ("virtual_hosts", hosts.index(explanation.virtual_host), "routes", explanation.index)
    inside = [field for (_, name, path), field in fields.items() if name == explanation.table and path[:4] == start]
    rules = sorted(field.partition("]")[0] + "]" for field in inside if field.startswith(("spec.http[", "spec.rules[")))
    return max(set(rules), key=rules.count) if rules else "spec.hosts"


def _of_cluster(cluster: str, fields: Mapping[origins.Place, str]) -> str:
    """``spec.subsets[0]``: the part of a DestinationRule that makes a cluster."""
    own = sorted(field for (_, name, _), field in fields.items() if name == cluster and field)
    subsets = [field.partition("]")[0] + "]" for field in own if field.startswith("spec.subsets[")]
    return next(iter([*subsets, *own]), "spec.host")


def _object(snapshot: Snapshot, title: str) -> tuple[str, Object] | None:
    kind, _, place = title.partition(" ")
    for key, listed in snapshot.objects.items():
        for obj in listed:
            if obj.get("kind") == kind and f"{resources.namespace_of(obj)}/{resources.name_of(obj)}" == place:
                return key, obj
    return None


def _place(obj: Object, field: str) -> Written:
    title = f"{obj['kind']} {resources.namespace_of(obj)}/{resources.name_of(obj)}"
    return Written(object=title, field=field, line=positions.line(snapshots.text_of(obj), field))
