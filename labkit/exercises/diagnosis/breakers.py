"""Circuit breaking: the limits and the ejection that a proxy has for an upstream, and why it has none."""

from collections.abc import Mapping
from typing import Any

from labkit.exercises.diagnosis import cause, objects
from labkit.exercises.diagnosis import decision as decisions
from labkit.exercises.diagnosis.cause import Cause
from labkit.exercises.diagnosis.decision import Target
from labkit.exercises.diagnosis.objects import Objects
from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import names

NO_LIMIT = 2**31
"""Istio writes 2^32 - 1 where a DestinationRule says nothing."""

EJECTED_AT_MOST = 10
"""Envoy's max_ejection_percent where a rule says nothing."""


def limit(target: Target, name: str) -> int | None:
    """``max_connections`` or ``max_pending_requests`` of an upstream; None without a limit."""
    thresholds = (target.cluster.get("circuit_breakers") or {}).get("thresholds") or [{}]
    value = int(thresholds[0].get(name, NO_LIMIT))
    return value if value < NO_LIMIT else None


def outliers(target: Target) -> Mapping[str, Any] | None:
    """Its outlier detection; None where nobody watches."""
    detection = target.cluster.get("outlier_detection")
    return dict(detection) if detection is not None else None


def panic_percent(target: Target) -> float:
    """Per cent of healthy endpoints below which the proxy sends to all; Istio's default is 0."""
    threshold = (target.cluster.get("common_lb_config") or {}).get("healthy_panic_threshold") or {}
    return float(threshold.get("value", 0))


def written(target: Target, mesh: Objects, field: str) -> Mapping[str, Any]:
    """A field of the trafficPolicy that this upstream comes from, as it is written; empty where there is none."""
    own = source(target)
    rule = next((r for r in mesh.destination_rules if _is(r, own)), {})
    settings: Mapping[str, Any] = (objects.spec_of(rule).get("trafficPolicy") or {}).get(field) or {}
    return settings


def source(target: Target) -> decisions.Source | None:
    """The DestinationRule that the proxy has it from."""
    return decisions.source_of(target.cluster)


def title(target: Target) -> str:
    """``DestinationRule default/httpbin``."""
    return str(source(target) or f"the Service {objects.short(target.host)} without a DestinationRule")


def without_a_say(target: Target, mesh: Objects, field: str) -> list[Cause]:
    """Why DestinationRules that have a field of trafficPolicy are not where this upstream comes from."""
    own = source(target)
    return cause.ranked(
        _why(rule, target, mesh, own)
        for rule in mesh.destination_rules
        if _says(rule, field) and not _is(rule, own) and _is_about(rule, target, mesh)
    )


def misplaced(target: Target, mesh: Objects, field: str, port: int) -> Cause | None:
    """A field in the right object, where it does not count for these requests: in a subset, or for another port."""
    own = source(target)
    rule = next((r for r in mesh.destination_rules if _is(r, own)), None)
    if rule is None:
        return None
    spec, title = objects.spec_of(rule), objects.title(rule)
    chosen = [s.get("name") for s in spec.get("subsets") or [] if field in (s.get("trafficPolicy") or {})]
    if chosen and not target.subset:
        return cause.shown(
            f"{title} has {field} in the subset {chosen[0]} alone, and these requests go to no subset: it belongs into "
            "trafficPolicy of the DestinationRule itself"
        )
    ports = [
        (entry.get("port") or {}).get("number")
        for entry in (spec.get("trafficPolicy") or {}).get("portLevelSettings") or []
        if field in entry
    ]
    if ports and port not in ports:
        return cause.shown(f"{title} has {field} for port {ports[0]} alone, and these requests go to port {port}")
    return None


def _says(rule: Object, field: str) -> bool:
    spec = objects.spec_of(rule)
    policies = [spec.get("trafficPolicy") or {}, *((s.get("trafficPolicy") or {}) for s in spec.get("subsets") or [])]
    return any(field in policy or any(field in p for p in policy.get("portLevelSettings") or []) for policy in policies)


def _is(rule: Object, own: decisions.Source | None) -> bool:
    return own is not None and (own.namespace, own.name) == (resources.namespace_of(rule), resources.name_of(rule))


def _is_about(rule: Object, target: Target, mesh: Objects) -> bool:
    host = _host(rule)
    same = objects.short(host) == objects.short(target.host)
    return host == target.host or same or (not mesh.is_host(host) and _is_near(host, target))


def _is_near(host: str, target: Target) -> bool:
    return bool(objects.nearest(objects.short(host), [objects.short(target.host)]))


def _host(rule: Object) -> str:
    return names.full_host(str(objects.spec_of(rule).get("host", "")), resources.namespace_of(rule))


def _why(rule: Object, target: Target, mesh: Objects, own: decisions.Source | None) -> Cause:
    name, host, namespace = objects.title(rule), _host(rule), resources.namespace_of(rule)
    short = objects.short(target.host)
    if host != target.host and objects.short(host) == short:
        return cause.silent(
            f"{name} is in namespace {namespace}, where the host {short} stands for {host}; the Service is "
            f"{target.host}"
        )
    if host != target.host:
        asked = objects.did_you_mean(objects.short(host), {objects.short(h) for h in mesh.hosts})
        return cause.silent(f"`host` of {name} is {objects.short(host)}, and no Service has that name{asked}")
    if own is not None:
        return cause.shown(
            f"two DestinationRules are for the host {short}: the proxy has the settings of {own}, and those of {name} "
            "have "
            "no effect; put them into one"
        )
    if objects.spec_of(rule).get("workloadSelector"):
        return cause.silent(f"the workloadSelector of {name} selects other callers")
    return cause.undecided(f"the proxy does not have the settings of {name}", "lab.analyze()")
