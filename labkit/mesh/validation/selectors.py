"""How objects select workloads: ``workloadSelector.labels``, ``selector.matchLabels`` and ``targetRefs``."""

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.mesh.validation.findings import Finding, each, error, warning
from labkit.mesh.validation.gotext import quoted

Part = Mapping[str, Any]

WITHOUT_LABELS = "workload selector specified without labels"
TARGETS = {"core": "Service", "networking.istio.io": "ServiceEntry", "gateway.networking.k8s.io": "Gateway"}
_TARGETS_SHOWN = "[/v1/Service networking.istio.io/v1/ServiceEntry gateway.networking.k8s.io/v1/Gateway]"


def of_workload(spec: Part, title: str) -> Iterator[Finding]:
    """A ``workloadSelector`` of a networking kind; ``title`` begins the warning: ``sidecar``."""
    selector = spec.get("workloadSelector")
    if selector is None:
        return
    yield from _labels(selector.get("labels"))
    if not selector.get("labels"):
        yield warning(f"{title}: {WITHOUT_LABELS}, will be applied to all services in namespace")


def of_policy(spec: Part) -> Iterator[Finding]:
    """What a policy applies to: a selector, a targetRef or targetRefs, one of them."""
    ways = (spec.get("selector") is not None, spec.get("targetRef") is not None, bool(spec.get("targetRefs")))
    if sum(ways) > 1:
        yield error("only one of targetRefs or workloadSelector can be set")
    yield from match_labels(spec.get("selector"))
    for reference in [*([spec["targetRef"]] if spec.get("targetRef") else []), *each(spec.get("targetRefs"))]:
        yield from _reference(reference)


def match_labels(selector: Part | None) -> Iterator[Finding]:
    """A selector with ``matchLabels``."""
    if selector is None:
        return
    yield from _labels(selector.get("matchLabels"))
    if not selector.get("matchLabels"):
        yield warning(WITHOUT_LABELS)


def _labels(labels: Mapping[str, str] | None) -> Iterator[Finding]:
    for key, value in sorted((labels or {}).items()):
        shown = quoted(f"{key}={value}")
        if not key:
            yield error(f"empty key is not supported in selector: {shown}")
        if "*" in key or "*" in value:
            yield error(f"wildcard is not supported in selector: {shown}")


def _reference(reference: Part) -> Iterator[Finding]:
    group, kind = reference.get("group") or "", reference.get("kind") or ""
    if not reference.get("name"):
        yield error("targetRef name must be set")
    if reference.get("namespace"):
        yield error("targetRef namespace must not be set; cross namespace referencing is not supported")
    if TARGETS.get(group or "core") != kind and not is_class(group, kind):
        yield error(f"targetRef must be to one of {_TARGETS_SHOWN} but was {group}/{kind}")


def is_class(group: str, kind: str) -> bool:
    """Whether it is a GatewayClass, which waypoints of the root namespace may be meant by."""
    return (group, kind) == ("gateway.networking.k8s.io", "GatewayClass")
