"""AuthorizationPolicies of a proxy: the steps that decide about what comes in.

CUSTOM asks first, then AUDIT notes, DENY refuses, and where there is an ALLOW, what none of them allows is refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import blame, ir
from labkit.mesh.ir import access
from labkit.mesh.policies import authorization_rules, authorizers
from labkit.mesh.policies.authorization_rules import Origin

RESOURCE = "authorizationpolicies.security.istio.io"
DRY_RUN = "istio.io/dry-run"
TRUE = ("1", "t", "T", "true", "TRUE", "True")
ACTIONS = {"AUDIT": access.LOG, "DENY": access.DENY, "ALLOW": access.ALLOW}
"""Istio's word → what is done; in the order in which they are asked."""

CUSTOM = "CUSTOM"
CUSTOM_PREFIX = "istio-ext-authz"
CANNOT_ASK = "-deny-due-to-bad-CUSTOM-action"


def access_of(
    policies: Sequence[Object], providers: Mapping[str, ir.Authorizer], *, domains: tuple[str, ...]
) -> ir.Access:
    """The steps of a proxy to which these policies are attached."""
    requests, connections = list[ir.Step](), list[ir.Step]()
    for step_of_requests, step_of_connections in (*_custom(policies, providers, domains), *_own(policies, domains)):
        requests.append(step_of_requests)
        if step_of_connections is not None:
            connections.append(step_of_connections)
    return ir.Access(requests=tuple(requests), connections=tuple(connections)) if requests else ir.FREE


def _own(policies: Sequence[Object], domains: tuple[str, ...]) -> Iterator[tuple[ir.Step, ir.Step]]:
    for word, action in ACTIONS.items():
        of_action = [p for p in policies if _action(p) == word]
        if not of_action:
            continue
        enforced = _rules([p for p in of_action if not is_trial(p)], domains)
        trial = _rules([p for p in of_action if is_trial(p)], domains)
        yield (
            ir.Rules(action=action, enforced=enforced, trial=trial),
            ir.Rules(action=action, enforced=_plain(enforced, action), trial=_plain(trial, action)),
        )


def _custom(
    policies: Sequence[Object], providers: Mapping[str, ir.Authorizer], domains: tuple[str, ...]
) -> Iterator[tuple[ir.Step, ir.Step | None]]:
    """Of each provider what it is asked about; a provider that nobody defines, or nobody serves, denies that."""
    by_provider: dict[str, list[Object]] = {}
    for policy in policies:
        if _action(policy) == CUSTOM and not is_trial(policy):
            by_provider.setdefault(str(((policy["spec"].get("provider")) or {}).get("name") or ""), []).append(policy)
    for name, of_provider in by_provider.items():
        prefix = f"{CUSTOM_PREFIX}-{name}"
        rules = _rules(of_provider, domains, before=f"{prefix}-") or ()
        plain = _plain(rules, access.DENY) or ()
        provider = providers.get(name)
        if provider is None:
            yield _denied(rules), _denied(plain)
        else:
            of_connections = ir.Asking(rules=plain, authorizer=provider, prefix=prefix) if provider.is_grpc else None
            yield ir.Asking(rules=rules, authorizer=provider, prefix=prefix), of_connections


def _denied(rules: tuple[ir.Rule, ...]) -> ir.Rules:
    renamed = tuple(ir.Rule(**{**vars(rule), "name": rule.name + CANNOT_ASK}) for rule in rules)
    return ir.Rules(action=access.DENY, enforced=renamed, is_refusal=True)


def _rules(policies: Sequence[Object], domains: tuple[str, ...], before: str = "") -> tuple[ir.Rule, ...] | None:
    return tuple(rule for policy in policies for rule in _rules_of(policy, domains, before)) if policies else None


def _rules_of(policy: Object, domains: tuple[str, ...], before: str) -> Iterator[ir.Rule]:
    namespace, name = resources.namespace_of(policy), resources.name_of(policy)
    title = f"{before}ns[{namespace}]-policy[{name}]-rule"
    with blame.naming(f"AuthorizationPolicy {namespace}/{name}"):
        rules: Sequence[Mapping[str, Any]] = (policy.get("spec") or {}).get("rules") or ()
        if not rules:
            yield ir.Rule(name=f"{title}[0]", is_never=True)
        for number, spec in enumerate(rules):
            yield authorization_rules.rule(
                f"{title}[{number}]", spec or {}, Origin(namespace=namespace, domains=domains)
            )


def _plain(rules: tuple[ir.Rule, ...] | None, action: str) -> tuple[ir.Rule, ...] | None:
    """The rules as they are asked of connections."""
    if rules is None:
        return None
    of_connections = (authorization_rules.of_connections(rule, action) for rule in rules)
    return tuple(rule for rule in of_connections if rule is not None)


def _action(policy: Object) -> str:
    return str((policy.get("spec") or {}).get("action") or "ALLOW")


def is_trial(policy: Object) -> bool:
    """Whether a policy is a dry run, which only notes what it would do."""
    return resources.annotations_of(policy).get(DRY_RUN) in TRUE


def providers_of(mesh_config: Mapping[str, Any], hosts: Mapping[str, Sequence[str]]) -> dict[str, ir.Authorizer]:
    """The mesh's authorizers by name; of those without a service in the mesh none."""
    with blame.naming("MeshConfig's extensionProviders"):
        every = (authorizers.read(p, hosts) for p in mesh_config.get("extensionProviders") or ())
        return {provider.name: provider for provider in every if provider is not None}
