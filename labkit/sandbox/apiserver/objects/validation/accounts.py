"""Rules for roles and bindings."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.validation import causes, checks, names
from labkit.sandbox.apiserver.objects.validation.causes import Cause

FIELDS: Mapping[str, Mapping[str, tuple[checks.Check, ...]]] = {}
STRUCTS: Mapping[str, Callable[[Any, str], Iterator[Cause]]] = {}


def _role(*, namespaced: bool) -> Callable[[Object], Iterator[Cause]]:
    def rule(role: Object) -> Iterator[Cause]:
        for at, policy in enumerate(role.get("rules") or ()):
            yield from _policy(policy, f"rules[{at}]", namespaced=namespaced)

    return rule


def _policy(rule: Object, path: str, *, namespaced: bool) -> Iterator[Cause]:
    if not rule.get("verbs"):
        yield causes.required(f"{path}.verbs", "verbs must contain at least one value")
    urls = rule.get("nonResourceURLs")
    if urls:
        if namespaced:
            detail = "namespaced rules cannot apply to non-resource URLs"
            yield causes.wrong(f"{path}.nonResourceURLs", urls, detail)
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            detail = "rules cannot apply to both regular resources and non-resource URLs"
            yield causes.wrong(f"{path}.nonResourceURLs", urls, detail)
        return
    if not rule.get("apiGroups"):
        yield causes.required(f"{path}.apiGroups", "resource rules must supply at least one api group")
    if not rule.get("resources"):
        yield causes.required(f"{path}.resources", "resource rules must supply at least one resource")


def _binding(*kinds: str) -> Callable[[Object], Iterator[Cause]]:
    def rule(binding: Object) -> Iterator[Cause]:
        role = binding.get("roleRef") or {}
        yield from checks.one_of(_GROUP, optional=False)(role.get("apiGroup"), "roleRef.apiGroup")
        yield from checks.one_of(*kinds, optional=False)(role.get("kind") or "", "roleRef.kind")
        yield from checks.needed()(role.get("name"), "roleRef.name")
        yield from checks.form(names.path_segment)(role.get("name"), "roleRef.name")
        for at, subject in enumerate(binding.get("subjects") or ()):
            yield from _subject(subject, f"subjects[{at}]", is_cluster=kinds == ("ClusterRole",))

    return rule


def _subject(subject: Object, path: str, *, is_cluster: bool) -> Iterator[Cause]:
    name, kind, group = subject.get("name") or "", subject.get("kind") or "", subject.get("apiGroup") or ""
    yield from checks.needed()(name, f"{path}.name")
    if kind == "ServiceAccount":
        yield from checks.form(names.subdomain)(name, f"{path}.name")
        if group:
            yield causes.unsupported(f"{path}.apiGroup", group, ("",))
        if is_cluster and not subject.get("namespace"):
            yield causes.required(f"{path}.namespace")
    elif kind in ("User", "Group"):
        yield from checks.one_of(_GROUP, optional=False)(group, f"{path}.apiGroup")
    else:
        yield causes.unsupported(f"{path}.kind", kind, ("ServiceAccount", "User", "Group"))


def _cluster_role(role: Object) -> Iterator[Cause]:
    yield from _role(namespaced=False)(role)
    aggregation, path = role.get("aggregationRule"), "aggregationRule.clusterRoleSelectors"
    if aggregation is None:
        return
    selectors = aggregation.get("clusterRoleSelectors") or ()
    if not selectors:
        yield causes.required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil")
    for at, selector in enumerate(selectors):
        complaints = list(checks.selector(selector, f"{path}[{at}]"))
        yield from complaints
        if complaints:
            yield causes.wrong(f"{path}[{at}]", None, "invalid label selector.")


_GROUP = "rbac.authorization.k8s.io"
KINDS: Mapping[str, Callable[[Object], Iterator[Cause]]] = {
    f"{_GROUP}/Role": _role(namespaced=True),
    f"{_GROUP}/ClusterRole": _cluster_role,
    f"{_GROUP}/RoleBinding": _binding("Role", "ClusterRole"),
    f"{_GROUP}/ClusterRoleBinding": _binding("ClusterRole"),
}
