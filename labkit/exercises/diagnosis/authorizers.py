"""What CUSTOM policies make of a request: which authorizer is asked, by which rule, and why it is not."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from labkit.exercises.diagnosis import cause
from labkit.exercises.diagnosis.cause import Cause
from labkit.exercises.evidence import Evidence
from labkit.kube import resources
from labkit.mesh.explain import access
from labkit.mesh.explain.access import NearMiss
from labkit.mesh.policies import authorization
from labkit.mesh.policies.decisions import Decision

ROOT, CONFIG_MAP = "istio-system", "istio"
SHOW = "kubectl -n istio-system get configmap istio -o yaml"
KINDS = ("envoyExtAuthzHttp", "envoyExtAuthzGrpc")


def mesh_config(evidence: Evidence) -> Mapping[str, Any]:
    """MeshConfig, which alone defines providers; empty where it cannot be read."""
    listed = evidence.resources(resources.CONFIG_MAPS, ROOT)
    config_map = next((o for o in listed if resources.name_of(o) == CONFIG_MAP), None)
    return yaml.safe_load(((config_map or {}).get("data") or {}).get("mesh") or "") or {}


def refusals(decision: Decision, mesh: Mapping[str, Any]) -> Iterator[Cause]:
    """Why CUSTOM keeps out a request that should pass."""
    if decision.rule.endswith(authorization.CANNOT_ASK):
        yield cause.shown(f"{access.title(decision.rule)} {_unserved(_provider(decision.rule), mesh)}", SHOW)
    elif decision.is_allowed:
        for rule, name in zip(decision.asked_by, decision.asks, strict=True):
            yield cause.shown(f"{access.title(rule)} asks {name} about it, and {name} refuses it or does not answer")


def passes(decision: Decision, unasked: Sequence[NearMiss]) -> Iterator[Cause]:
    """Why CUSTOM lets in a request that should be refused; ``unasked``: rules with an authorizer that do not apply."""
    for rule, name in zip(decision.asked_by, decision.asks, strict=True):
        yield cause.shown(f"{access.title(rule)} asks {name} about it, and {name} allows it")
    if unasked and not decision.asks:
        yield cause.shown(f"no authorizer is asked about it: {unasked[0]}")


def _provider(rule: str) -> str:
    return rule.removeprefix(f"{authorization.CUSTOM_PREFIX}-").partition("-ns[")[0]


def _unserved(provider: str, mesh: Mapping[str, Any]) -> str:
    """What is wrong with a provider for which istiod writes a refusal."""
    every = [p for p in mesh.get("extensionProviders") or () if any(kind in p for kind in KINDS)]
    if any(p.get("name") == provider for p in every):
        return (
            f"names the provider {provider}, whose Service the mesh does not have, so it refuses all that it is about"
        )
    names = ", ".join(str(p.get("name")) for p in every) or "none"
    return (
        f"names the provider {provider}, which MeshConfig does not define, so it refuses all that it is about; "
        f"authorizers there: {names}"
    )
