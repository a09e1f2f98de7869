"""Who may call whom: every pod's guard, asked for any caller, and what a rule lacks that does not apply."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import ir, model, names
from labkit.mesh.hosts.workloads import TLS_MODE
from labkit.mesh.ir.access import ALLOW, DENY
from labkit.mesh.memo import Memo
from labkit.mesh.model import Proxy, Snapshot
from labkit.mesh.policies import authorization, decisions, guards
from labkit.mesh.policies.decisions import Caller, Decision, Request

__all__ = [
    "ALLOW",
    "DENY",
    "GATEWAY",
    "WAYPOINT",
    "Mesh",
    "NearMiss",
    "Workload",
    "because",
    "policy",
    "rule_number",
    "title",
    "workloads",
]

GATEWAY, WAYPOINT = "router", "waypoint"
_RULE = re.compile(r"(?:istio-ext-authz-.*-)?ns\[(.*?)\]-policy\[(.*?)\]-rule\[(\d+)\]")


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One kind of pod, as callers and policies see it."""

    name: str
    """``reviews-v1``."""

    namespace: str
    account: str
    """``default/bookinfo-reviews``."""

    labels: Mapping[str, str]
    address: str
    has_proxy: bool
    role: str = "sidecar"

    def principal(self, domain: str = model.TRUST_DOMAIN) -> str:
        """Its SPIFFE name; empty without a proxy, which would prove it."""
        return names.spiffe(self.account, domain) if self.has_proxy else ""


@dataclass(frozen=True, kw_only=True)
class NearMiss:
    """A rule that does not apply to a request, and the first thing that it asks for in vain."""

    rule: str
    """Its name inside the proxy; ``title`` and ``policy`` read it."""

    why: str
    """``asks for the path /admin, and here it is /``."""

    def __str__(self) -> str:
        return f"{title(self.rule)} {self.why}"


class Mesh:
    """The guards of a snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        domains = model.trust_domains(snapshot.mesh_config)
        hosts: dict[str, list[str]] = {}
        for service in snapshot.of("services"):
            namespace = resources.namespace_of(service)
            hosts.setdefault(f"{resources.name_of(service)}.{namespace}.svc.{model.DOMAIN}", []).append(namespace)
        providers = authorization.providers_of(snapshot.mesh_config, hosts)
        self._guards = guards.Guards(snapshot, providers, domains=domains, memo=Memo())

    def guard(self, workload: Workload) -> ir.Guard:
        """What a workload's proxy asks of those who come in; nothing without a proxy."""
        if not workload.has_proxy:
            return ir.OPEN
        return self._guards.of(
            Proxy(
                name=workload.name,
                namespace=workload.namespace,
                role=workload.role,
                ip=workload.address,
                labels=workload.labels,
            )
        )

    def decide(self, caller: Caller, workload: Workload, request: Request) -> Decision:
        """Whether a request gets past the proxy of a workload."""
        return decisions.of_request(self.guard(workload), caller, request)

    def lacking(self, caller: Caller, workload: Workload, request: Request, *, action: str = ALLOW) -> list[NearMiss]:
        """The rules of an action that do not apply to a request, the nearest first."""
        steps = [s for s in self.guard(workload).access.requests if isinstance(s, ir.Rules)]
        rules = [rule for step in steps if step.action == action for rule in step.enforced or ()]
        return _nearest(rules, caller, request)

    def unasked(self, caller: Caller, workload: Workload, request: Request) -> list[NearMiss]:
        """The rules that would have an authorizer asked and do not apply, the nearest first."""
        steps = [s for s in self.guard(workload).access.requests if isinstance(s, ir.Asking)]
        return _nearest([rule for step in steps for rule in step.rules], caller, request)


def _nearest(rules: Iterable[ir.Rule], caller: Caller, request: Request) -> list[NearMiss]:
    missing = ((_missing(rule, caller, request), rule) for rule in rules)
    reasons = [(why, rule) for why, rule in missing if why]
    return [NearMiss(rule=rule.name, why=why[0]) for why, rule in sorted(reasons, key=lambda entry: len(entry[0]))]


def title(rule: str) -> str:
    """``rule 1 of AuthorizationPolicy default/viewer``; empty where no rule decided."""
    match = _RULE.match(rule)
    return f"rule {int(match[3]) + 1} of AuthorizationPolicy {match[1]}/{match[2]}" if match else ""


def policy(rule: str) -> str:
    """``AuthorizationPolicy default/viewer``."""
    match = _RULE.match(rule)
    return f"AuthorizationPolicy {match[1]}/{match[2]}" if match else ""


def rule_number(rule: str) -> int | None:
    """The place of a rule in its policy, from 0."""
    match = _RULE.match(rule)
    return int(match[3]) if match else None


def because(decision: Decision) -> str:
    """Why something is allowed or refused, in a few words."""
    if decision.rule:
        return f"{title(decision.rule)} ({decision.action})"
    if decision.is_allowed:
        return "no policy speaks of it"
    return "no ALLOW rule applies"


def workloads(pods: Iterable[Object]) -> list[Workload]:
    """The workloads of running pods, one of each kind, by namespace and name."""
    kinds: dict[tuple[str, str], Workload] = {}
    for pod in pods:
        if "deletionTimestamp" not in pod["metadata"] and (pod.get("status") or {}).get("podIP"):
            workload = _workload(pod)
            kinds.setdefault((workload.namespace, workload.name), workload)
    return [kinds[key] for key in sorted(kinds)]


def _workload(pod: Object) -> Workload:
    labels, namespace = resources.labels_of(pod), resources.namespace_of(pod)
    spec = pod.get("spec") or {}
    proxies = [c for c in (*spec.get("initContainers", ()), *spec.get("containers", ())) if c["name"] == "istio-proxy"]
    arguments = [argument for container in proxies for argument in container.get("args") or ()]
    return Workload(
        name=_name(pod),
        namespace=namespace,
        account=f"{namespace}/{spec.get('serviceAccountName') or 'default'}",
        labels=labels,
        address=str(pod["status"]["podIP"]),
        has_proxy=bool(proxies) or labels.get(TLS_MODE) == "istio",
        role=next((role for role in (GATEWAY, WAYPOINT) if role in arguments), "sidecar"),
    )


def _name(pod: Object) -> str:
    """Without what the ReplicaSet adds: ``reviews-v1`` of ``reviews-v1-9nb5g9rml5-hvkvv``."""
    name = resources.name_of(pod)
    suffix = resources.labels_of(pod).get("pod-template-hash")
    return name.partition(f"-{suffix}")[0] if suffix else name


def _missing(rule: ir.Rule, caller: Caller, request: Request) -> list[str]:
    """What of a rule is not so, of its nearest alternatives."""
    if rule.is_never:
        return ["applies to nothing: its policy has no rules"]
    sides = (rule.operations, rule.callers)
    return [reason for side in sides for reason in min((_failing(t, caller, request) for t in side), key=len)]


def _failing(tests: Sequence[ir.Test], caller: Caller, request: Request) -> list[str]:
    return [_sentence(test, caller, request) for test in tests if not decisions.passes(test, caller, request)]


def _sentence(test: ir.Test, caller: Caller, request: Request) -> str:
    expected = " or ".join(_shown(test, number) for number in range(len(test.texts)))
    word = f"{test.asks} {'.'.join(test.keys)}".strip()
    seen = (", ".join(decisions.values(test, caller, request)) or "none").removeprefix("spiffe://")
    asks = "excludes" if test.is_negated else "asks for"
    if all(_NAMESPACE.fullmatch(text.value) for text in test.texts):
        word, seen = "namespace", _OF_PRINCIPAL.sub(r"\1", seen)
    more = "; principals are written without spiffe://" if "spiffe://" in expected else ""
    if any(text.value == "" for text in test.texts) and test.issuers:
        more = "; it is written as issuer/subject"
    return f"{asks} the {word} {expected}, and here it is {seen}{more}"


def _shown(test: ir.Test, number: int) -> str:
    text = test.texts[number]
    value = {"prefix": f"{text.value}*", "suffix": f"*{text.value}", "present": "*"}.get(text.kind, text.value)
    value = "*" if (text.kind, value) == ("regex", ".+") else value
    if text.kind == "regex" and (match := _ACCOUNT.fullmatch(text.value) or _NAMESPACE.fullmatch(text.value)):
        value = "/".join(part.replace(".*", "*").replace("\\", "") for part in match.groups())
    issuer = f"{test.issuers[number].value}/" if test.issuers and test.issuers[number].value != ".+" else ""
    return (issuer + value if value else issuer.removesuffix("/")).removeprefix("spiffe://")


_NAMESPACE = re.compile(r"\.\*/ns/(.*)/\.\*")
_OF_PRINCIPAL = re.compile(r"^[^/]*/ns/([^/]*)/.*$")
_ACCOUNT = re.compile(r"spiffe://\.\+/ns/(.*?)/\(\.\+/\|\)sa/(.*?)\(/\.\+\)\?")
