"""Rules for Jobs and CronJobs."""

import re
import zoneinfo
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.validation import causes, checks, cron, gonames, names
from labkit.sandbox.apiserver.objects.validation.causes import Cause
from labkit.sandbox.apiserver.objects.validation.checks import needed, needed_one_of, not_negative

_MODES = ("NonIndexed", "Indexed")
_MOST_PARALLEL = 100_000
_MOST_FAILED = 100_000
_MANY = 100_000
_PARALLEL_OF_MANY = 10_000
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_INDEXED = "requires indexed completion mode"
_DOMAIN_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
_COUNTS = (
    *("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"),
    *("backoffLimitPerIndex", "maxFailedIndexes"),
)

FIELDS: Mapping[str, Mapping[str, tuple[checks.Check, ...]]] = {
    "JobSpec": dict.fromkeys(_COUNTS, (not_negative,)),
    "CronJobSpec": {
        "startingDeadlineSeconds": (not_negative,),
        "concurrencyPolicy": (needed_one_of("Allow", "Forbid", "Replace"),),
        "successfulJobsHistoryLimit": (not_negative,),
        "failedJobsHistoryLimit": (not_negative,),
    },
}


def _spec(spec: Object, path: str) -> Iterator[Cause]:
    yield from _indexes(spec, path)
    if spec.get("managedBy") is not None:
        yield from domain_path(spec["managedBy"], f"{path}.managedBy")
        if len(spec["managedBy"]) > 63:
            yield causes.too_long(f"{path}.managedBy", 63)
    if spec.get("podFailurePolicy") is not None:
        yield from _failures(spec, f"{path}.podFailurePolicy.rules")
    if spec.get("successPolicy") is not None:
        yield from _success(spec, f"{path}.successPolicy")
    yield from _replacement(spec, f"{path}.podReplacementPolicy")


def _indexes(spec: Object, path: str) -> Iterator[Cause]:
    mode, completions, parallelism = (spec.get(name) for name in ("completionMode", "completions", "parallelism"))
    per_index, failed = spec.get("backoffLimitPerIndex"), spec.get("maxFailedIndexes")
    if failed is not None and per_index is None:
        yield causes.required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    if mode is not None and mode not in _MODES:
        yield causes.unsupported(f"{path}.completionMode", mode, _MODES)
    if mode in (None, "NonIndexed"):
        for field, value in (("backoffLimitPerIndex", per_index), ("maxFailedIndexes", failed)):
            if value is not None:
                yield causes.wrong(f"{path}.{field}", value, _INDEXED)
    if mode != "Indexed":
        return
    if completions is None:
        yield causes.required(f"{path}.completions", "when completion mode is Indexed")
    if parallelism is not None and parallelism > _MOST_PARALLEL:
        detail = f"must be less than or equal to {_MOST_PARALLEL} when completion mode is Indexed"
        yield causes.wrong(f"{path}.parallelism", parallelism, detail)
    if completions is not None and failed is not None and failed > completions:
        yield causes.wrong(f"{path}.maxFailedIndexes", failed, "must be less than or equal to completions")
    if failed is not None and failed > _MOST_FAILED:
        yield causes.wrong(f"{path}.maxFailedIndexes", failed, f"must be less than or equal to {_MOST_FAILED}")
    if completions is not None and completions > _MANY and per_index is not None:
        detail = f"must be less than or equal to {_PARALLEL_OF_MANY} when completions are above {_MANY}"
        detail += " and used with backoff limit per index"
        if failed is None:
            yield causes.required(f"{path}.maxFailedIndexes", f"must be specified when completions is above {_MANY}")
        for field, value in (("parallelism", parallelism), ("maxFailedIndexes", failed)):
            if value is not None and value > _PARALLEL_OF_MANY:
                yield causes.wrong(f"{path}.{field}", value, detail)


def domain_path(text: str, path: str) -> Iterator[Cause]:
    """``example.com/controller``: a domain that owns the name, and a path below it."""
    host, slash, rest = text.partition("/")
    if not text:
        yield causes.required(path)
    elif not (slash and host and rest):
        yield causes.wrong(path, text, 'must be a domain-prefixed path (such as "acme.io/foo")')
    else:
        for problem in names.subdomain(host):
            yield causes.wrong(path, host, problem)
        if not re.fullmatch(_DOMAIN_PATH, rest):
            yield causes.wrong(path, rest, f"Invalid path (regex used for validation is '{_DOMAIN_PATH}')")


def _failures(spec: Object, path: str) -> Iterator[Cause]:
    template = (spec.get("template") or {}).get("spec") or {}
    containers = {c.get("name") for group in ("containers", "initContainers") for c in template.get(group) or ()}
    rules = spec["podFailurePolicy"].get("rules") or ()
    if len(rules) > 20:
        yield causes.too_many(path, len(rules), 20)
    for at, rule in enumerate(rules):
        yield from _failure(rule, spec, containers, f"{path}[{at}]")


def _failure(rule: Object, spec: Object, containers: set[Any], path: str) -> Iterator[Cause]:
    action, codes, conditions = rule.get("action") or "", rule.get("onExitCodes"), rule.get("onPodConditions") or ()
    if not action:
        yield causes.required(f"{path}.action", f"valid values: {_listed(_ACTIONS)}")
    elif action == "FailIndex":
        if spec.get("backoffLimitPerIndex") is None:
            yield causes.wrong(f"{path}.action", action, "requires the backoffLimitPerIndex to be set")
    elif action not in _ACTIONS:
        yield causes.unsupported(f"{path}.action", action, _ACTIONS)
    if codes is not None:
        yield from _exit_codes(codes, containers, f"{path}.onExitCodes")
    if len(conditions) > 20:
        yield causes.too_many(f"{path}.onPodConditions", len(conditions), 20)
    for at, pattern in enumerate(conditions):
        here, kind, status = f"{path}.onPodConditions[{at}]", pattern.get("type") or "", pattern.get("status") or ""
        for problem in names.qualified(kind):
            yield causes.wrong(f"{here}.type", kind, problem)
        statuses = ("False", "True", "Unknown")
        yield from needed_one_of(*statuses, detail=f"valid values: {_listed(statuses)}")(status, f"{here}.status")
    if codes is not None and conditions:
        yield causes.omitted(path, "specifying both OnExitCodes and OnPodConditions is not supported")
    elif codes is None and not conditions:
        yield causes.omitted(path, "specifying one of OnExitCodes and OnPodConditions is required")


def _listed(words: tuple[str, ...]) -> str:
    quoted = " ".join(f'"{word}"' for word in words)
    return f"[{quoted}]"


def _exit_codes(codes: Object, containers: set[Any], path: str) -> Iterator[Cause]:
    operator, values, name = codes.get("operator") or "", codes.get("values") or [], codes.get("containerName")
    operators = ("In", "NotIn")
    yield from needed_one_of(*operators, detail=f"valid values: {_listed(operators)}")(operator, f"{path}.operator")
    if name is not None and name not in containers:
        detail = "must be one of the container or initContainer names in the pod template"
        yield causes.wrong(f"{path}.containerName", name, detail)
    if not values:
        yield causes.wrong(f"{path}.values", codes.get("values"), "at least one value is required")
    elif len(values) > 255:
        yield causes.too_many(f"{path}.values", len(values), 255)
    for at, value in enumerate(values):
        here = f"{path}.values[{at}]"
        if operator == "In" and value == 0:
            yield causes.wrong(here, value, "must not be 0 for the In operator")
        if value in values[:at]:
            yield causes.duplicate(here, value)
    if list(values) != sorted(values):
        yield causes.wrong(f"{path}.values", values, "must be ordered")


def _success(spec: Object, path: str) -> Iterator[Cause]:
    policy = spec["successPolicy"]
    if spec.get("completionMode") != "Indexed":
        yield causes.wrong(path, gonames.internal("SuccessPolicy", policy), _INDEXED)
        return
    rules, completions = policy.get("rules") or (), spec.get("completions") or 0
    if not rules:
        detail = "at least one rules must be specified when the successPolicy is specified"
        yield causes.required(f"{path}.rules", detail)
    for at, rule in enumerate(rules):
        here, count = f"{path}.rules[{at}]", rule.get("succeededCount")
        if count is None and rule.get("succeededIndexes") is None:
            yield causes.required(here, "at least one of succeededCount or succeededIndexes must be specified")
        total, problem = _indexes_of(rule.get("succeededIndexes") or "", completions)
        if problem:
            detail = f"error parsing succeededIndexes: {problem}"
            yield causes.wrong(f"{here}.succeededIndexes", rule["succeededIndexes"], detail)
        if count is not None:
            yield from not_negative(count, f"{here}.succeededCount")
            if count > completions:
                detail = f"must be less than or equal to {completions} (the number of specified completions)"
                yield causes.wrong(f"{here}.succeededCount", count, detail)
            if rule.get("succeededIndexes") is not None and count > total:
                detail = f"must be less than or equal to {total}"
                detail += " (the number of indexes in the specified succeededIndexes field)"
                yield causes.wrong(f"{here}.succeededCount", count, detail)


def _indexes_of(text: str, completions: int) -> tuple[int, str]:
    """How many indexes ``0,2-4`` names, and what is wrong with it."""
    last, total = -1, 0
    for part in text.split(",") if text else ():
        ends = part.split("-")
        if len(ends) > 2:
            needs = "the requirement that an index interval can have at most two parts separated by '-'"
            return 0, f'the fragment "{part}" violates {needs}'
        for end in ends:
            if not re.fullmatch("[-+]?[0-9]+", end):
                return 0, f'cannot convert string to integer for index: "{end}"'
            if int(end) >= completions:
                return 0, f'too large index: "{end}"'
        first, final = int(ends[0]), int(ends[-1])
        if len(ends) > 1 and first >= final:
            return 0, f"non-increasing order, previous: {first}, current: {final}"
        if total and last >= first:
            return 0, f"non-increasing order, previous: {last}, current: {first}"
        total, last = total + final - first + 1, final
    return total, ""


def _replacement(spec: Object, path: str) -> Iterator[Cause]:
    policy = spec.get("podReplacementPolicy")
    supported = ("Failed",) if spec.get("podFailurePolicy") is not None else ("Failed", "TerminatingOrFailed")
    if policy is not None and policy not in supported:
        yield causes.unsupported(path, policy, supported)


def _restart(spec: Object, path: str) -> Iterator[Cause]:
    path = f"{path}.template.spec.restartPolicy"
    policy = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy")
    if policy in (None, "", "Always"):
        yield causes.required(path, 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        yield causes.unsupported(path, policy, ("OnFailure", "Never"))
    elif spec.get("podFailurePolicy") is not None and policy != "Never":
        yield causes.wrong(path, policy, 'only "Never" is supported when podFailurePolicy is specified')


def _job(job: Object) -> Iterator[Cause]:
    """A job selects its pods by its own uid unless told otherwise."""
    spec, metadata = job["spec"], job["metadata"]
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    name, uid, selector = metadata.get("name") or "", metadata.get("uid"), spec.get("selector")
    if selector is None:
        yield causes.required("spec.selector")
        yield causes.wrong("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
        return
    yield from checks.selector(selector, "spec.selector")
    if not spec.get("manualSelector"):
        bare = {"controller-uid": uid, "job-name": name}
        own = bare | {f"batch.kubernetes.io/{key}": value for key, value in bare.items()}
        yield from _own_labels(labels, own, "spec.template.metadata")
        if not checks.matches(selector, own):
            yield causes.wrong("spec.selector", selector, "`selector` not auto-generated")
    if not checks.matches(selector, labels):
        yield causes.wrong("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    if spec.get("completionMode") == "Indexed" and (spec.get("completions") or 0) > 0:
        last = f"{name}-{spec['completions'] - 1}"
        if names.label(last):
            detail = f"will not able to create pod with invalid DNS label: {last}"
            yield causes.wrong("metadata.name", name, detail)


def _own_labels(labels: Object, own: Object, path: str) -> Iterator[Cause]:
    for key, value in own.items():
        if key not in labels:
            yield causes.required(f"{path}.labels[{key}]", f"must be '{value}'")
        elif labels[key] != value:
            yield causes.wrong(f"{path}.labels[{key}]", labels, f"must be '{value}'")


def _cron(spec: Object, path: str) -> Iterator[Cause]:
    schedule, zone = spec.get("schedule") or "", spec.get("timeZone")
    yield from needed()(schedule, f"{path}.schedule")
    if schedule:
        if problem := cron.problem(schedule):
            yield causes.wrong(f"{path}.schedule", schedule, problem)
        if "TZ" in schedule:
            detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
            yield causes.wrong(f"{path}.schedule", schedule, detail)
    if zone is not None:
        yield from _zone(zone, f"{path}.timeZone")
    selector = ((spec.get("jobTemplate") or {}).get("spec") or {}).get("selector")
    if selector is not None:
        here = f"{path}.jobTemplate.spec.selector"
        yield causes.wrong(here, selector, "`selector` will be auto-generated")


def _zone(zone: str, path: str) -> Iterator[Cause]:
    if not zone:
        yield causes.wrong(path, zone, "timeZone must be nil or non-empty string")
    elif zone.lower() == "local":
        detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        yield causes.wrong(path, zone, detail)
    elif not _is_zone(zone):
        yield causes.wrong(path, zone, f"unknown time zone {zone}")


def _is_zone(zone: str) -> bool:
    try:
        zoneinfo.ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        return False
    return True


STRUCTS: Mapping[str, Callable[[Any, str], Iterator[Cause]]] = {"JobSpec": _spec, "CronJobSpec": _cron}

LAST: Mapping[str, Callable[[Any, str], Iterator[Cause]]] = {"JobSpec": _restart}

KINDS: Mapping[str, Callable[[Object], Iterator[Cause]]] = {"batch/Job": _job}
