"""Rate limits as a check sees them: filters in a proxy's chains, and EnvoyFilters that do not get there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.exercises.diagnosis import cause, objects
from labkit.exercises.diagnosis.cause import Cause
from labkit.exercises.evidence import Evidence
from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh.model import Config, Resource

ROOT = "istio-system"
LOCAL, GLOBAL, ROUTER = (f"envoy.filters.http.{name}" for name in ("local_ratelimit", "ratelimit", "router"))
LOCAL_TYPE, GLOBAL_TYPE = "local_ratelimit.v3.LocalRateLimit", "ratelimit.v3.RateLimit"
MANAGER = "envoy.filters.network.http_connection_manager"
INBOUND = "virtualInbound"
DENOMINATORS = {"HUNDRED": 1, "TEN_THOUSAND": 100, "MILLION": 10_000}


@dataclass(frozen=True, kw_only=True)
class Filter:
    """One rate limit filter in a chain."""

    config: Mapping[str, Any]
    is_behind_router: bool

    @property
    def bucket(self) -> tuple[int, int, float] | None:
        """Most tokens, tokens of a fill, seconds between fills."""
        bucket = self.config.get("token_bucket")
        if not bucket:
            return None
        interval = float(str(bucket.get("fill_interval", "0s")).removesuffix("s") or 0)
        return int(bucket.get("max_tokens", 0)), int(bucket.get("tokens_per_fill", 1)), interval

    def share(self, field: str) -> float:
        """Per cent of requests that ``filter_enabled`` or ``filter_enforced`` means; Envoy reads none as 0."""
        value = (self.config.get(field) or {}).get("default_value") or {}
        return float(value.get("numerator", 0)) / DENOMINATORS.get(value.get("denominator", "HUNDRED"), 1)


def inbound(config: Config, port: int, kind: str = LOCAL_TYPE) -> list[Filter]:
    """The filters of the chains for one port of a sidecar's pod."""
    listener = config.listeners.get(INBOUND) or {}
    chains = [c for c in listener.get("filter_chains") or () if _port(c) == port]
    return _first(chains, kind)


def of_gateway(config: Config, kind: str = GLOBAL_TYPE) -> list[Filter]:
    """The filters of a gateway's listeners."""
    named = [listener for name, listener in config.listeners.items() if name.startswith("0.0.0.0_")]
    return _first([chain for listener in named for chain in listener.get("filter_chains") or ()], kind)


def outbound(config: Config, kind: str = LOCAL_TYPE) -> list[Filter]:
    """The filters of a sidecar's listeners for what its app sends."""
    sent = [x for x in config.listeners.values() if x.get("traffic_direction") == "OUTBOUND"]
    chains = [x.get("default_filter_chain") or {} for x in sent]
    return _first([*(chain for x in sent for chain in x.get("filter_chains") or ()), *chains], kind)


def _port(chain: Resource) -> int:
    return int((chain.get("filter_chain_match") or {}).get("destination_port") or 0)


def _first(chains: Sequence[Resource], kind: str) -> list[Filter]:
    """Of the first chain that has any: the chains of a port say the same."""
    for chain in chains:
        if filters := list(_filters(chain, kind)):
            return filters
    return []


def _filters(chain: Resource, kind: str) -> Iterator[Filter]:
    for network in chain.get("filters") or ():
        if network.get("name") != MANAGER:
            continue
        entries = (network.get("typed_config") or {}).get("http_filters") or []
        router = next((n for n, e in enumerate(entries) if e.get("name") == ROUTER), len(entries))
        for number, entry in enumerate(entries):
            config = entry.get("typed_config") or {}
            if kind in f"{config.get('@type')} {config.get('type_url', '')}":
                yield Filter(config=config.get("value") or config, is_behind_router=number > router)


def filters_of(evidence: Evidence) -> list[Object]:
    """Every EnvoyFilter."""
    return evidence.everywhere(resources.ENVOY_FILTERS)


def patches_of(obj: Object) -> list[Mapping[str, Any]]:
    """The patches of an EnvoyFilter that say what to do."""
    return [p for p in objects.spec_of(obj).get("configPatches") or [] if isinstance(p.get("patch"), dict)]


def title(obj: Object) -> str:
    """``EnvoyFilter istio-system/limit-global``."""
    return objects.title(obj)


def silent(evidence: Evidence, *, app: str, namespace: str, context: str, kind: str, port: int = 0) -> list[Cause]:
    """EnvoyFilters with such a filter that do not bring it to a workload, and why."""
    pods = [p for p in objects.read(evidence).pods if resources.namespace_of(p) == namespace]
    labels = [dict(resources.labels_of(pod)) for pod in pods]
    own = next((each for each in labels if app in (each.get("app"), each.get("istio"))), {})
    causes: list[Cause] = []
    for obj in filters_of(evidence):
        about = [patch for patch in patches_of(obj) if kind.partition(".")[0] in str(patch["patch"])]
        if about and (why := _silence(obj, about[0], own, labels, namespace, context, port)):
            causes.append(cause.silent(f"{objects.title(obj)} {why}"))
    return causes


def _silence(
    obj: Object,
    patch: Mapping[str, Any],
    own: Mapping[str, str],
    every: Sequence[Mapping[str, str]],
    namespace: str,
    context: str,
    port: int,
) -> str:
    place = resources.namespace_of(obj)
    selector = (objects.spec_of(obj).get("workloadSelector") or {}).get("labels") or {}
    if place not in (namespace, ROOT):
        return f"is in namespace {place} and speaks of workloads there; these are in {namespace}"
    if not selector.items() <= own.items():
        there = any(selector.items() <= labels.items() for labels in every)
        guess = "" if there else objects.did_you_mean(str(next(iter(selector.values()), "")), _values(every))
        whom = "other workloads" if there else "no pod"
        return f"selects {objects.pairs(selector)}, and that is {whom}{guess}"
    match = patch.get("match") or {}
    if match.get("context", "ANY") not in ("ANY", context):
        return f"has context {match['context']}, and {context} is where these requests come in"
    listener = match.get("listener") or {}
    if listener.get("portNumber") and port and listener["portNumber"] != port:
        return f"means port {listener['portNumber']}, and the pods listen on {port}"
    filter_match = (listener.get("filterChain") or {}).get("filter") or {}
    inner = (filter_match.get("subFilter") or {}).get("name")
    if filter_match.get("name") not in (None, MANAGER):
        return f"looks for the filter {filter_match['name']}, and HTTP is taken apart by {MANAGER}"
    if inner and inner not in STANDARD:
        return f"inserts beside {inner}, and the proxy has no filter of that name"
    operation = str(patch["patch"].get("operation", ""))
    if operation in ("MERGE", "REPLACE", "REMOVE"):
        return f"has the operation {operation}, which changes a filter that is there; INSERT_BEFORE brings a new one"
    return "is meant for it and has no effect: see `applyTo`, `match`, `@type` and the fields of typed_config"


STANDARD = (ROUTER, "envoy.filters.http.cors", "envoy.filters.http.fault", "istio.metadata_exchange")
"""Filters that Istio puts into every chain."""


def _values(every: Sequence[Mapping[str, str]]) -> list[str]:
    return [value for labels in every for value in labels.values()]
