"""Objects as people name them: ``Service reviews``, ``svc/reviews``, ``the Gateway default/bookinfo-gateway``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from labkit.exercises.diagnosis import objects
from labkit.exercises.evidence import Evidence
from labkit.kube import resources

KINDS: Mapping[str, resources.Resource] = {
    "service": resources.SERVICES,
    "deployment": resources.DEPLOYMENTS,
    "pod": resources.PODS,
    "gateway": resources.GATEWAYS,
    "virtualservice": resources.VIRTUAL_SERVICES,
    "destinationrule": resources.DESTINATION_RULES,
    "serviceaccount": resources.SERVICE_ACCOUNTS,
    "endpointslice": resources.ENDPOINT_SLICES,
    "replicaset": resources.REPLICA_SETS,
    "serviceentry": resources.SERVICE_ENTRIES,
    "sidecar": resources.SIDECARS,
    "namespace": resources.NAMESPACES,
    "authorizationpolicy": resources.AUTHORIZATION_POLICIES,
    "peerauthentication": resources.PEER_AUTHENTICATIONS,
    "requestauthentication": resources.REQUEST_AUTHENTICATIONS,
    "envoyfilter": resources.ENVOY_FILTERS,
    "telemetry": resources.TELEMETRIES,
}

FORMS: Mapping[str, str] = {
    "svc": "service",
    "deploy": "deployment",
    "po": "pod",
    "gw": "gateway",
    "vs": "virtualservice",
    "dr": "destinationrule",
    "sa": "serviceaccount",
    "rs": "replicaset",
    "se": "serviceentry",
    "serviceentries": "serviceentry",
    "authorizationpolicies": "authorizationpolicy",
    "telemetries": "telemetry",
    "ap": "authorizationpolicy",
    "pa": "peerauthentication",
    "ra": "requestauthentication",
    "ns": "namespace",
}
"""Short names that kubectl takes, and plurals that are no s."""

TWO_WORDS = re.compile(
    r"(virtual service|destination rule|service entr|service account|authorization polic|peer authentication"
    r"|request authentication|envoy filter|replica set|endpoint slice)"
)
"""Kinds as people write them."""

FILLING = ("the", "a", "an", "object", "kind", "name", "named", "called", "in", "of", "n", "is", "it", "and", "or")
NAMESPACES = ("default", "istio-system")


@dataclass(frozen=True, kw_only=True)
class Named:
    """A kind and a name; either may be missing."""

    kind: str
    """``virtualservice``; empty when the text names no kind."""

    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def parse(answer: object) -> Named:
    """Kind and name of a text, in either order, with or without namespace and API group."""
    tokens = re.findall(
        r"[a-z0-9][a-z0-9.-]*", TWO_WORDS.sub(lambda kind: kind[0].replace(" ", ""), str(answer).lower())
    )
    kind, before, after = "", list[str](), list[str]()
    for token in tokens:
        word = _kind(token)
        if word and (not kind or kind == "namespace"):
            kind, before, after = word, [*before, *after], []  # "-n default service/reviews" names the namespace first
        elif not word and token not in FILLING:
            (after if kind else before).append(token)
    # A name stands behind its kind, "edit gateway shop", or before it, "the shop Gateway".
    ordered = (*after, *reversed(before)) if kind else before
    named = [name for name in ordered if name not in NAMESPACES] or [*ordered]
    return Named(kind=kind, name=named[0] if named else "")


def _kind(token: str) -> str:
    word = token.partition(".")[0]
    word = FORMS.get(word, word)
    return word if word in KINDS else word.removesuffix("s") if word.removesuffix("s") in KINDS else ""


def problem(named: Named, evidence: Evidence) -> str:
    """Why this names no object of the cluster; empty when it names one."""
    if not named.name:
        return f"{named.kind or 'that'} names no object: file kind and name, such as deployment/ratings-v1"
    if not named.kind:
        kinds = [r.kind for r in KINDS.values() if named.name in _names(evidence, r)]
        if not kinds:
            return f"{named.name} names no object of the cluster: file kind and name, such as deployment/ratings-v1"
        example = f"{kinds[0].lower()}/{named.name}"
        return f"the kind is missing: {' and '.join(kinds)} {named.name} exists; file kind and name, such as {example}"
    resource = KINDS[named.kind]
    others = _names(evidence, resource)
    is_pod_of = resource is resources.PODS and any(other.startswith(f"{named.name}-") for other in others)
    if named.name not in others and not is_pod_of:
        return f"there is no {resource.kind} {named.name}{objects.did_you_mean(named.name, others)}"
    return ""


def _names(evidence: Evidence, resource: resources.Resource) -> list[str]:
    return [resources.name_of(o) for o in evidence.everywhere(resource)]
