"""Rules for what says where a pod may run: node selectors, affinity, tolerations, spreading."""

from collections.abc import Iterator, Sequence
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.validation import causes, checks, names
from labkit.sandbox.apiserver.objects.validation.causes import Cause
from labkit.sandbox.apiserver.objects.validation.checks import form, one_of

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_NO_OPERATOR = "not a valid selector operator"
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_UNSATISFIABLE = ("DoNotSchedule", "ScheduleAnyway")


def affinity(value: Object, path: str) -> Iterator[Cause]:
    """Affinity to nodes, to pods and away from pods."""
    if (nodes := value.get("nodeAffinity")) is not None:
        yield from _node_affinity(nodes, f"{path}.nodeAffinity")
    for field in ("podAffinity", "podAntiAffinity"):
        rules, here = value.get(field) or {}, f"{path}.{field}"
        for at, term in enumerate(rules.get(REQUIRED) or ()):
            yield from _pod_term(term, f"{here}.{REQUIRED}[{at}]")
        for at, weighted in enumerate(rules.get(PREFERRED) or ()):
            yield from _weight(weighted, f"{here}.{PREFERRED}[{at}].weight")
            yield from _pod_term(weighted.get("podAffinityTerm") or {}, f"{here}.{PREFERRED}[{at}].podAffinityTerm")


def _weight(weighted: Object, path: str) -> Iterator[Cause]:
    weight = weighted.get("weight") or 0
    if not 1 <= weight <= 100:
        yield causes.wrong(path, weight, "must be in the range 1-100")


def _node_affinity(value: Object, path: str) -> Iterator[Cause]:
    if (selector := value.get(REQUIRED)) is not None:
        yield from node_selector(selector, f"{path}.{REQUIRED}")
    for at, weighted in enumerate(value.get(PREFERRED) or ()):
        here = f"{path}.{PREFERRED}[{at}]"
        yield from _weight(weighted, f"{here}.weight")
        yield from _node_term(weighted.get("preference") or {}, f"{here}.preference", checks_values=False)


def node_selector(selector: Object, path: str) -> Iterator[Cause]:
    """Terms of which a node must match one."""
    terms = selector.get("nodeSelectorTerms") or ()
    if not terms:
        yield causes.required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")
    for at, term in enumerate(terms):
        yield from _node_term(term, f"{path}.nodeSelectorTerms[{at}]", checks_values=True)


def _node_term(term: Object, path: str, *, checks_values: bool) -> Iterator[Cause]:
    for at, requirement in enumerate(term.get("matchExpressions") or ()):
        yield from _node_requirement(requirement, f"{path}.matchExpressions[{at}]", checks_values=checks_values)
    for at, requirement in enumerate(term.get("matchFields") or ()):
        yield from _node_field(requirement, f"{path}.matchFields[{at}]")


def _node_requirement(requirement: Object, path: str, *, checks_values: bool) -> Iterator[Cause]:
    operator, values, key = (
        requirement.get("operator") or "",
        requirement.get("values") or (),
        requirement.get("key") or "",
    )
    if operator in ("In", "NotIn"):
        if not values:
            yield causes.required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            yield causes.forbidden(f"{path}.values", detail)
    elif operator in ("Gt", "Lt"):
        if len(values) != 1:
            detail = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            yield causes.required(f"{path}.values", detail)
    else:
        yield causes.wrong(f"{path}.operator", operator, _NO_OPERATOR)
    for problem in names.qualified(key):
        yield causes.wrong(f"{path}.key", key, problem)
    for at, value in enumerate(values if checks_values else ()):
        for problem in names.label_value(value):
            yield causes.wrong(f"{path}.values[{at}]", value, problem)


def _node_field(requirement: Object, path: str) -> Iterator[Cause]:
    values, key = requirement.get("values") or (), requirement.get("key") or ""
    if requirement.get("operator") not in ("In", "NotIn"):
        yield causes.wrong(f"{path}.operator", requirement.get("operator") or "", _NO_OPERATOR)
    elif len(values) != 1:
        detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        yield causes.required(f"{path}.values", detail)
    if key != "metadata.name":
        yield causes.wrong(f"{path}.key", key, "not a valid field selector key")
        return
    for at, value in enumerate(values):
        for problem in names.subdomain(value):
            yield causes.wrong(f"{path}.values[{at}]", value, problem)


def _pod_term(term: Object, path: str) -> Iterator[Cause]:
    yield from checks.selector(term.get("labelSelector"), f"{path}.labelSelector")
    yield from checks.selector(term.get("namespaceSelector"), f"{path}.namespaceSelector")
    for name in term.get("namespaces") or ():
        for problem in names.label(name):
            yield causes.wrong(f"{path}.namespace", name, problem)
    matched, mismatched = term.get("matchLabelKeys") or (), term.get("mismatchLabelKeys") or ()
    yield from _label_keys(matched, mismatched, term.get("labelSelector"), path)
    key = term.get("topologyKey") or ""
    if not key:
        yield causes.required(f"{path}.topologyKey", "can not be empty")
    for problem in names.qualified(key):
        yield causes.wrong(f"{path}.topologyKey", key, problem)


def _label_keys(
    matched: Sequence[str], mismatched: Sequence[str], selector: Object | None, path: str
) -> Iterator[Cause]:
    for field, keys in (("matchLabelKeys", matched), ("mismatchLabelKeys", mismatched)):
        if keys and selector is None:
            yield causes.forbidden(f"{path}.{field}", "must not be specified when labelSelector is not set")
        elif keys:
            for at, key in enumerate(keys):
                for problem in names.qualified(key):
                    yield causes.wrong(f"{path}.{field}[{at}]", key, problem)
    for at, key in enumerate(matched):
        if key in mismatched:
            detail = "exists in both matchLabelKeys and mismatchLabelKeys"
            yield causes.wrong(f"{path}.matchLabelKeys[{at}]", key, detail)


def tolerations(value: Sequence[Object], path: str) -> Iterator[Cause]:
    """Taints that a pod puts up with."""
    for at, toleration in enumerate(value):
        yield from _toleration(toleration, f"{path}[{at}]")


def _toleration(toleration: Object, path: str) -> Iterator[Cause]:
    key, operator, text = (toleration.get(name) or "" for name in ("key", "operator", "value"))
    effect = toleration.get("effect") or ""
    yield from form(names.qualified)(key, f"{path}.key")
    if not key and operator != "Exists":
        detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        yield causes.wrong(f"{path}.operator", operator, detail)
    if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
        yield causes.wrong(f"{path}.effect", effect, "effect must be 'NoExecute' when `tolerationSeconds` is set")
    if operator in ("Equal", ""):
        if problems := names.label_value(text):
            yield causes.wrong(f"{path}.operator", text, ";".join(problems))
    elif operator == "Exists":
        if text:
            yield causes.wrong(f"{path}.operator", text, "value must be empty when `operator` is 'Exists'")
    elif operator in ("Lt", "Gt"):
        yield causes.unsupported(f"{path}.operator", operator, ("Equal", "Exists", "Lt", "Gt"))
    else:
        yield causes.unsupported(f"{path}.operator", operator, ("Equal", "Exists"))
    yield from one_of(*_EFFECTS)(effect, f"{path}.effect")


def spreading(constraints: Sequence[Object], path: str) -> Iterator[Cause]:
    """How pods spread over parts of the cluster."""
    for at, constraint in enumerate(constraints):
        here = f"{path}[{at}]"
        yield from _spread(constraint, here)
        pair = _pair(constraint)
        if any(_pair(other) == pair for other in constraints[at + 1 :]):
            where, shown = f"{here}.{{topologyKey, whenUnsatisfiable}}", f"{{{pair[0]}, {pair[1]}}}"
            yield causes.duplicate(where, shown)


def _pair(constraint: Object) -> tuple[str, str]:
    return constraint.get("topologyKey") or "", constraint.get("whenUnsatisfiable") or ""


def _spread(constraint: Object, path: str) -> Iterator[Cause]:
    skew, (key, action) = constraint.get("maxSkew") or 0, _pair(constraint)
    if skew <= 0:
        yield causes.wrong(f"{path}.maxSkew", skew, "must be greater than zero")
    if not key:
        yield causes.required(f"{path}.topologyKey", "can not be empty")
    yield from one_of(*_UNSATISFIABLE, optional=False)(action, f"{path}.whenUnsatisfiable")
    yield from _domains(constraint.get("minDomains"), action, f"{path}.minDomains")
    for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
        policy = constraint.get(field)
        if policy is not None and policy not in ("Honor", "Ignore"):
            yield causes.unsupported(f"{path}.{field}", policy, ("Honor", "Ignore"))
    yield from _label_keys(constraint.get("matchLabelKeys") or (), (), constraint.get("labelSelector"), path)
    yield from checks.selector(constraint.get("labelSelector"), f"{path}.labelSelector")


def _domains(domains: Any, action: str, path: str) -> Iterator[Cause]:
    if domains is None:
        return
    if domains <= 0:
        yield causes.wrong(path, domains, "must be greater than zero")
    if action != "DoNotSchedule":
        detail = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
        yield causes.wrong(path, domains, detail)
