"""Asking one Envoy which way a request would take, which object decided at each step, and where that is written."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from labkit.kube import client, positions, resources
from labkit.kube.resources import Object
from labkit.lab import snapshots
from labkit.mesh import origins
from labkit.mesh.explain import access, arrivals, explanations
from labkit.mesh.explain.arrivals import Arrival
from labkit.mesh.explain.explanations import Explanation
from labkit.mesh.model import Snapshot
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
    request = explanations.Request(host=parts.netloc, path=path or "/", method=method, headers=dict(headers))
    config = explanations.from_dump(json.loads(proxy.ask("config_dump?include_eds")))
    port = parts.port or 80
    # A real sidecar has a listener a port, the sandbox's and a gateway have one for all: that is the second try.
    explanation = explanations.explain(config, request, port=port)
    if not explanation.listener:
        explanation = explanations.explain(config, request)
    name, _, namespace = proxy.name.rpartition(".")
    pod = api.find(resources.PODS, name, namespace)
    if pod is None:
        return way.Way(request=f"{method} {url}", proxy=proxy.name, explanation=explanation)
    snapshot = snapshots.whole(api)
    asked = decisions.Request(
        port=port, method=method, host=parts.netloc, path=parts.path or "/", headers=request.headers
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
