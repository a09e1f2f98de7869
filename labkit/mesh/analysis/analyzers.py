"""Every analyzer with the kinds it reads, and their messages together."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from labkit.mesh.analysis import (
    annotations,
    destination_rules,
    envoy_filters,
    gateways,
    policies,
    schema,
    virtual_services,
    webhooks,
    workloads,
)
from labkit.mesh.analysis.messages import ERROR, INFO, WARNING, Message
from labkit.mesh.analysis.snapshot import KUBERNETES, Object, Snapshot


@dataclass(frozen=True)
class Analyzer:
    """One check."""

    run: Callable[[Snapshot], Iterator[Message]]
    needs_cluster: bool = False
    """Whether it reads pods, Services or other kinds of Kubernetes: without a cluster Istio leaves such a check out."""


OF_FILES = (
    schema.deprecated_fields,
    schema.validity,
    virtual_services.gateways,
    virtual_services.subsets,
    virtual_services.conflicts,
    gateways.certificates,
    destination_rules.certificates,
    policies.entry_addresses,
    policies.entry_protocols,
    policies.general_telemetries,
    policies.telemetry_providers,
    envoy_filters.patches,
)

OF_CLUSTERS = (
    annotations.annotations,
    schema.conditions,
    virtual_services.hosts,
    virtual_services.unheard_subsets,
    virtual_services.claims,
    gateways.selectors,
    gateways.credentials,
    gateways.conflicts,
    destination_rules.hosts,
    destination_rules.subsets,
    policies.workloads,
    policies.namespaces,
    policies.sidecar_selectors,
    policies.same_sidecars,
    policies.general_sidecars,
    policies.sidecars_in_ambient,
    policies.selectors_of_gateways,
    policies.same_telemetries,
    webhooks.webhooks,
    workloads.namespaces,
    workloads.missing_proxies,
    workloads.images,
    workloads.placeholders,
    workloads.users,
    workloads.deployments,
    workloads.services,
)

ANALYZERS = (*map(Analyzer, OF_FILES), *(Analyzer(run, needs_cluster=True) for run in OF_CLUSTERS))

LEVELS = (ERROR, WARNING, INFO)
SUPPRESSED = "galley.istio.io/analyze-suppress"


def analyze(objects: Snapshot, *, has_cluster: bool = True) -> list[Message]:
    """All messages, each once: by level, code and object. An object's annotation may suppress codes."""
    unwanted = {origin: codes for obj in objects.all() for origin, codes in _suppressed(obj)}
    messages = {m for a in ANALYZERS if has_cluster or not a.needs_cluster for m in a.run(objects)}
    heard = [m for m in messages if not {"*", m.code} & unwanted.get(m.origin, set())]
    return sorted(heard, key=lambda m: (LEVELS.index(m.level), m.code, m.origin, m.text))


def _suppressed(obj: Object) -> Iterator[tuple[str, set[str]]]:
    codes = (obj["metadata"].get("annotations") or {}).get(SUPPRESSED, "")
    if codes:
        place = f"{obj['metadata']['namespace']}/" if obj["metadata"].get("namespace") else ""
        yield f"{obj['kind']} {place}{obj['metadata']['name']}", {code.strip() for code in codes.split(",")}


def without_cluster(objects: Iterable[Object]) -> Snapshot:
    """Objects of files alone."""
    return on_top((), objects)


def on_top(cluster: Iterable[Object], files: Iterable[Object]) -> Snapshot:
    """A cluster as if files were applied to it. Istio looks at files for its own kinds only."""
    own = [obj for obj in files if _is_istios(obj)]
    replaced = {_identity(obj) for obj in own}
    return Snapshot([*(obj for obj in cluster if _identity(obj) not in replaced), *own])


def _is_istios(obj: Object) -> bool:
    return obj["kind"] not in KUBERNETES and str(obj.get("apiVersion", "")).partition("/")[0].endswith(".istio.io")


def _identity(obj: Object) -> tuple[str, str, str, str]:
    metadata = obj["metadata"]
    group = str(obj.get("apiVersion", "")).rpartition("/")[0]
    return group, obj["kind"], metadata.get("namespace", ""), metadata["name"]
