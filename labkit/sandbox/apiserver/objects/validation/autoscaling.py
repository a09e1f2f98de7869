"""Rules for HorizontalPodAutoscalers."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import quantities
from labkit.sandbox.apiserver.objects.validation import causes, checks, names, resources
from labkit.sandbox.apiserver.objects.validation.causes import Cause
from labkit.sandbox.apiserver.objects.validation.checks import form, needed, word

_TYPES = ("ContainerResource", "External", "Object", "Pods", "Resource")
_SOURCES = ("object", "external", "pods", "resource", "containerResource")
_TARGETS = ("Utilization", "Value", "AverageValue")
_LONGEST_PERIOD = 1800
_LONGEST_WINDOW = 3600

FIELDS: Mapping[str, Mapping[str, tuple[checks.Check, ...]]] = {}
STRUCTS: Mapping[str, Callable[[Any, str], Iterator[Cause]]] = {}


def _autoscaler(autoscaler: Object) -> Iterator[Cause]:
    spec = autoscaler.get("spec") or {}
    low, high = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    metrics = spec.get("metrics") or ()
    if low is not None and low < 1:
        yield causes.wrong("spec.minReplicas", low, "must be greater than or equal to 1")
    if high == 0:
        yield causes.required("spec.maxReplicas", "must be set and greater than 0")
    elif high < 0:
        yield causes.wrong("spec.maxReplicas", high, "must be greater than or equal to 1")
    if low is not None and high < low:
        yield causes.wrong("spec.maxReplicas", high, "must be greater than or equal to `minReplicas`")
    yield from _target_object(spec.get("scaleTargetRef") or {}, "spec.scaleTargetRef", needs_group=True)
    for at, metric in enumerate(metrics):
        yield from _metric(metric, f"spec.metrics[{at}]")
    percentage = spec.get("targetCPUUtilizationPercentage")
    if percentage is not None and percentage < 1:
        # Version 1's one metric, as the server holds it.
        yield causes.wrong("spec.metrics[0].resource.target.averageUtilization", percentage, "must be greater than 0")
    if low == 0 and not {"Object", "External"} & {metric.get("type") for metric in metrics}:
        detail = "must specify at least one Object or External metric to support scaling to zero replicas"
        yield causes.forbidden("spec.metrics", detail)
    for direction in ("scaleUp", "scaleDown"):
        rules = (spec.get("behavior") or {}).get(direction)
        if rules is not None:
            yield from _rules(rules, f"spec.behavior.{direction}")


def _target_object(target: Object, path: str, *, needs_group: bool) -> Iterator[Cause]:
    for field in ("kind", "name"):
        yield from needed()(target.get(field), f"{path}.{field}")
        yield from form(names.path_segment)(target.get(field), f"{path}.{field}")
    version = target.get("apiVersion") or ""
    if version.count("/") > 1:
        yield causes.wrong(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}")
    elif needs_group and not version.rpartition("/")[0]:
        yield causes.wrong(f"{path}.apiVersion", version, "apiVersion must specify API group")


def _metric(metric: Object, path: str) -> Iterator[Cause]:
    kind = metric.get("type") or ""
    if not kind:
        yield causes.required(f"{path}.type", "must specify a metric source type")
    if kind not in _TYPES:
        yield causes.unsupported(f"{path}.type", kind, _TYPES)
    given = [name for name in _SOURCES if metric.get(name) is not None]
    if given:
        yield from _source(given[0], metric[given[0]], f"{path}.{given[0]}")
    expected = f"{kind[:1].lower()}{kind[1:]}"
    if kind not in _TYPES:
        # A real server looks at the type twice.
        yield causes.unsupported(f"{path}.type", kind, _TYPES)
    elif expected not in given:
        yield causes.required(f"{path}.{expected}", "must populate information for the given metric source")
    for name in given if len(given) > 1 else ():
        if name != expected:
            yield causes.forbidden(f"{path}.{name}", "must populate the given metric source only")


def _source(kind: str, source: Object, path: str) -> Iterator[Cause]:
    target = source.get("target") or {}
    if kind == "object":
        yield from _target_object(source.get("describedObject") or {}, f"{path}.describedObject", needs_group=False)
    if kind in ("object", "external", "pods"):
        name = (source.get("metric") or {}).get("name")
        yield from needed("must specify a metric name")(name, f"{path}.metric.name")
        yield from form(names.path_segment)(name, f"{path}.metric.name")
    else:
        yield from needed("must specify a resource name")(source.get("name"), f"{path}.name")
    if kind == "containerResource":
        if source.get("name"):
            yield from resources.of_container(source["name"], f"{path}.name")
        yield from needed("must specify a container")(source.get("container"), f"{path}.container")
        yield from form(names.label)(source.get("container"), f"{path}.container")
    yield from _target(target, f"{path}.target")
    yield from _amount(kind, target, f"{path}.target")


def _target(target: Object, path: str) -> Iterator[Cause]:
    kind = target.get("type") or ""
    if not kind:
        yield causes.required(f"{path}.type", "must specify a metric target type")
    if kind not in _TARGETS:
        yield causes.wrong(f"{path}.type", kind, "must be either Utilization, Value, or AverageValue")
    for field in ("value", "averageValue"):
        if target.get(field) is not None and quantities.parse(target[field]).value <= 0:
            yield causes.wrong(f"{path}.{field}", target[field], "must be positive")
    share = target.get("averageUtilization")
    if share is not None and share < 1:
        yield causes.wrong(f"{path}.averageUtilization", share, "must be greater than 0")


def _amount(kind: str, target: Object, path: str) -> Iterator[Cause]:
    """What each source must say of its target, and what it cannot say at once."""
    has = {field: target.get(field) is not None for field in ("value", "averageValue", "averageUtilization")}
    if kind in ("resource", "containerResource"):
        if not has["averageUtilization"] and not has["averageValue"]:
            detail = "must set either a target raw value or a target utilization"
            yield causes.required(f"{path}.averageUtilization", detail)
        elif has["averageUtilization"] and has["averageValue"]:
            detail = "may not set both a target raw value and a target utilization"
            yield causes.forbidden(f"{path}.averageValue", detail)
    elif kind == "pods":
        if not has["averageValue"]:
            yield causes.required(f"{path}.averageValue", "must specify a positive target averageValue")
    elif not has["value"] and not has["averageValue"]:
        one = "a target value or averageValue" if kind == "object" else "a target value for metric or a per-pod target"
        yield causes.required(f"{path}.averageValue", f"must set either {one}")
    elif kind == "external" and has["value"] and has["averageValue"]:
        detail = "may not set both a target value for metric and a per-pod target"
        yield causes.forbidden(f"{path}.value", detail)


def _rules(rules: Object, path: str) -> Iterator[Cause]:
    window, policies = rules.get("stabilizationWindowSeconds"), rules.get("policies") or ()
    here = f"{path}.stabilizationWindowSeconds"
    if window is not None and window < 0:
        yield causes.wrong(here, window, "must be greater than or equal to zero")
    if window is not None and window > _LONGEST_WINDOW:
        yield causes.wrong(here, window, f"must be less than or equal to {_LONGEST_WINDOW}")
    yield from word("Disabled", "Max", "Min")(rules.get("selectPolicy"), f"{path}.selectPolicy")
    if not policies:
        yield causes.required(f"{path}.policies", "must specify at least one Policy")
    for at, policy in enumerate(policies):
        yield from _policy(policy, f"{path}.policies[{at}]")
    if rules.get("tolerance") is not None:
        yield from checks.positive_quantity(rules["tolerance"], f"{path}.tolerance")


def _policy(policy: Object, path: str) -> Iterator[Cause]:
    kind, period = policy.get("type") or "", policy.get("periodSeconds") or 0
    if kind not in ("Percent", "Pods"):
        yield causes.unsupported(f"{path}.type", kind, ("Percent", "Pods"))
    for field in ("value", "periodSeconds"):
        if (policy.get(field) or 0) <= 0:
            yield causes.wrong(f"{path}.{field}", policy.get(field) or 0, "must be greater than zero")
    if period > _LONGEST_PERIOD:
        yield causes.wrong(f"{path}.periodSeconds", period, f"must be less than or equal to {_LONGEST_PERIOD}")


KINDS: Mapping[str, Callable[[Object], Iterator[Cause]]] = {"autoscaling/HorizontalPodAutoscaler": _autoscaler}
