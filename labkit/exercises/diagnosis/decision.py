"""What one proxy does with one request, by the configuration it has."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from labkit.exercises.diagnosis.objects import Objects, short
from labkit.exercises.evidence import Evidence
from labkit.kube import resources
from labkit.mesh.explain import explanations, matching
from labkit.mesh.model import Config
from labkit.telemetry import proxies

LISTENS = 8080
"""The port of the ingress gateway's pod that Service port 80 leads to."""

FAULT = "envoy.filters.http.fault"

VIP = "inbound-vip"
"""How a waypoint names the filter chain, the routes and the cluster of a Service behind it."""

Source = explanations.Source
"""An object that had a say: kind, namespace, name."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A request, and the proxy that decides about it."""

    proxy: str
    """The pod, by the beginning of its name."""

    host: str
    """As the request names it: ``reviews:9080``."""

    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)
    namespace: str = ""
    """The pod's; empty for the course's and the gateway's."""

    claims: Mapping[str, Any] | None = None
    """Of the request's token, as far as the proxy believes it."""

    @property
    def port(self) -> int:
        """The one that the request names, else 80."""
        _, _, port = self.host.rpartition(":")
        return int(port) if port.isdigit() else 80


@dataclass(frozen=True, kw_only=True)
class Target:
    """One cluster of a route, taken apart."""

    host: str
    """``reviews.default.svc.cluster.local``."""

    subset: str
    port: str
    percent: float
    exists: bool
    endpoints: tuple[str, ...]
    cluster: Mapping[str, Any]
    """As Envoy has it; empty when it does not exist."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The proxy's choice."""

    ask: Ask
    explanation: explanations.Explanation
    virtual_host: Mapping[str, Any]
    """As Envoy has it; empty where none fits."""

    config: Config

    @property
    def routes(self) -> Sequence[Mapping[str, Any]]:
        """Of the virtual host, in their order."""
        return self.virtual_host.get("routes") or ()

    @property
    def route(self) -> Mapping[str, Any]:
        """The one the request takes, as Envoy has it; empty when none fits."""
        index = self.explanation.index
        return self.routes[index] if 0 <= index < len(self.routes) else {}

    @property
    def action(self) -> Mapping[str, Any]:
        """Its ``route``: timeout, retries, rewrites, mirrors."""
        return self.route.get("route") or {}

    @property
    def fault(self) -> Mapping[str, Any]:
        """The fault that the route injects; empty when there is none."""
        return (self.route.get("typed_per_filter_config") or {}).get(FAULT) or {}

    @property
    def targets(self) -> list[Target]:
        """Where the route sends to."""
        return [target(d.cluster, self.config, percent=d.percent) for d in self.explanation.destinations]

    @property
    def mirrors(self) -> list[Target]:
        """Where it sends copies, and how many per cent."""
        policies = self.action.get("request_mirror_policies") or ()
        return [
            target(p.get("cluster", ""), self.config, percent=_percent(p.get("runtime_fraction"))) for p in policies
        ]

    @property
    def sources(self) -> set[explanations.Source]:
        """Objects that have a route in the virtual host."""
        return {source for route in self.routes if (source := source_of(route)) is not None}

    def targets_of(self, route: Mapping[str, Any]) -> list[Target]:
        """Where another route of the virtual host sends to."""
        action = route.get("route") or {}
        weighted = (action.get("weighted_clusters") or {}).get("clusters")
        named = [(c["name"], c.get("weight", 0)) for c in weighted] if weighted else [(action.get("cluster", ""), 100)]
        total = sum(weight for _, weight in named) or 1
        return [target(name, self.config, percent=100 * weight / total) for name, weight in named if name]


def of(evidence: Evidence, ask: Ask) -> Decision | None:
    """The decision of a live proxy; None where the pod has no Envoy."""
    config = evidence.config(ask.proxy, ask.namespace)
    return None if config is None else decide(config, ask)


def at_waypoint(evidence: Evidence, ask: Ask, host: str) -> Decision | None:
    """The decision of a live waypoint about a request to a Service behind it, ``reviews.default.svc.cluster.local``.

    None where it has no Envoy, or nothing for this Service and port.
    """
    config = evidence.config(ask.proxy, ask.namespace)
    name = f"{VIP}|{ask.port}|http|{host}"
    listeners = config.listeners.values() if config else ()
    chains = [chain for each in listeners for chain in each.get("filter_chains") or () if chain.get("name") == name]
    if config is None or not chains:
        return None
    # The address of the Service chooses the chain; here it is the only one of a listener that takes every request.
    listener = {"name": name, "traffic_direction": "OUTBOUND", "filter_chains": chains[:1]}
    return decide(replace(config, listeners={name: listener}), ask)


def decide(config: Config, ask: Ask) -> Decision:
    """The decision by a configuration."""
    # A proxy's own listeners, for probes and statistics, have no direction.
    outbound = {name: x for name, x in config.listeners.items() if x.get("traffic_direction") == "OUTBOUND"}
    config, request = replace(config, listeners=outbound), request_of(ask)
    explanation = explanations.explain(config, request, port=ask.port)
    # A sidecar has a listener a port or one for all; the gateway listens at the port behind its Service's.
    for port in (LISTENS, None):
        if not explanation.listener:
            explanation = explanations.explain(config, request, port=port)
    # Of a table that stands in a listener itself, a dump may hold an older version too, of a listener that drains.
    own = [table for table in _inline(config) if table.get("name", "") == explanation.table]
    tables = [*own, config.routes.get(explanation.table) or {}, *_inline(config)]
    host: Mapping[str, Any] = next(
        (h for t in tables for h in t.get("virtual_hosts") or () if h.get("name") == explanation.virtual_host), {}
    )
    return Decision(ask=ask, explanation=explanation, virtual_host=host, config=config)


def source_of(resource: Mapping[str, Any]) -> Source | None:
    """The object that made a route or a cluster, as its metadata says."""
    return explanations.source_of(dict(resource))


def lacks(match: Mapping[str, Any], ask: Ask) -> str:
    """The first thing that a route's match asks for and the request lacks; empty when it fits."""
    return matching.lacks(dict(match), request_of(ask))


def request_of(ask: Ask) -> explanations.Request:
    """The request as the mesh's own matching takes it."""
    return explanations.Request(host=ask.host, path=ask.path, headers=dict(ask.headers), claims=ask.claims)


def versions(targets: Iterable[Target], objects: Objects) -> dict[str, float]:
    """Share of each version among the answers, by who stands behind each cluster: ``{"v1": 90.0, "v3": 10.0}``.

    What reaches nobody stands under an empty name.
    """
    shares: Counter[str] = Counter()
    for target in targets:
        if not target.percent:
            continue
        if not target.exists or not target.endpoints:
            shares[""] += target.percent  # type: ignore[assignment]
        for endpoint in target.endpoints if target.exists else ():
            shares[version_at(endpoint, objects)] += target.percent / len(target.endpoints)  # type: ignore[assignment]
    return dict(shares)


def version_at(endpoint: str, objects: Objects) -> str:
    """The version of the pod at an address; ``?`` of one that the cluster does not list."""
    pod = objects.pod_at(endpoint)
    return "?" if pod is None else resources.labels_of(pod).get("version", "?")


def target(name: str, config: Config, *, percent: float) -> Target:
    """A cluster by its name, as the proxy has it; ``percent`` of a route go there."""
    direction, port, subset, host = proxies.parts_of(name)
    subset = "" if direction == VIP else subset  # a waypoint has the protocol there
    cluster = config.clusters.get(name)
    endpoints = tuple(_endpoints(name, cluster or {}, config))
    return Target(
        host=host,
        subset=subset,
        port=port,
        percent=percent,
        exists=cluster is not None,
        endpoints=endpoints,
        cluster=cluster or {},
    )


def _endpoints(name: str, cluster: Mapping[str, Any], config: Config) -> Iterator[str]:
    assignment = config.endpoints.get(name) or cluster.get("load_assignment") or {}
    for group in assignment.get("endpoints") or ():
        for endpoint in group.get("lb_endpoints") or ():
            if endpoint.get("health_status", "HEALTHY") in ("HEALTHY", "UNKNOWN"):
                address = (endpoint.get("endpoint") or {}).get("address") or {}
                if place := address.get("socket_address"):
                    yield f"{place.get('address', '')}:{place.get('port_value', '')}"
                elif tunnel := address.get("envoy_internal_address"):
                    yield str(tunnel.get("endpoint_id", ""))


def _percent(fraction: Mapping[str, Any] | None) -> float:
    """A runtime fraction in per cent; a mirror without one copies everything."""
    if not fraction:
        return 100.0
    return percent_of(fraction.get("default_value") or {})


def percent_of(fraction: Mapping[str, Any]) -> float:
    """Envoy's FractionalPercent in per cent: numerator 25 over HUNDRED, 250,000 over MILLION."""
    whole = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}
    return 100.0 * float(fraction.get("numerator", 0)) / whole[str(fraction.get("denominator", "HUNDRED"))]


def seconds_of(duration: object) -> float | None:
    """``0.500s`` in seconds; None where there is none."""
    text = str(duration or "")
    return float(text.removesuffix("s")) if text.endswith("s") else None


def _inline(config: Config) -> Iterator[Mapping[str, Any]]:
    """Route configurations that stand in listeners themselves."""
    for listener in config.listeners.values():
        for chain in listener.get("filter_chains") or ():
            for part in chain.get("filters") or ():
                if table := (part.get("typed_config") or {}).get("route_config"):
                    yield table


def told(targets: Sequence[Target]) -> str:
    """``reviews v1 90 %, reviews v2 10 %``; a single one without its share."""
    if len(targets) == 1:
        return f"everything to {place(targets[0])}"
    return ", ".join(f"{round(target.percent, 1):g} % to {place(target)}" for target in targets)


def place(target: Target) -> str:
    """``reviews v1``, or ``reviews`` where there is no subset."""
    return " ".join(word for word in (short(target.host), target.subset) if word)
