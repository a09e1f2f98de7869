"""PeerAuthentications as istiod tells them to ztunnel: policies that deny callers without a certificate.

Mutual TLS by HBONE needs nobody's leave, so only STRICT says something to ztunnel. DISABLE counts as PERMISSIVE.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh.ambient.authorizations import DENY, SELECTOR, Authorization
from labkit.mesh.policies import selection

RESOURCE = "peerauthentications.security.istio.io"
STATIC = "istio_converted_static_strict"
PREFIX = "converted_peer_authentication_"
STRICT, PERMISSIVE, UNSET, DISABLE = "STRICT", "PERMISSIVE", "UNSET", "DISABLE"

NOBODY: dict[str, Any] = {"notPrincipals": [{"presence": {}}]}
"""Matches a caller without a certificate."""


@dataclass(frozen=True, kw_only=True)
class _Levels:
    """The policies that may decide about workloads of one namespace."""

    mesh: Object | None
    namespace: Object | None

    @property
    def is_strict(self) -> bool:
        """Whether a workload without a policy of its own takes no plaintext."""
        own = mode_of(self.namespace)
        return (own if own != UNSET else mode_of(self.mesh)) == STRICT


def static(policies: Sequence[Object], root: str) -> Authorization | None:
    """The policy that any strict workload names; it is there as soon as there is any PeerAuthentication."""
    if not policies:
        return None
    rules = [{"matches": [NOBODY]}]
    return {"name": STATIC, "namespace": root, "action": DENY, "scope": SELECTOR, "groups": [{"rules": rules}]}


def converted(policies: Sequence[Object], root: str) -> list[Authorization]:
    """What stands for policies of workloads that speak of single ports."""
    every = [(policy, _converted(policy, policies, root)) for policy in policies]
    return [authorization for _, authorization in every if authorization is not None]


def names_for(policies: Sequence[Object], *, root: str, namespace: str, labels: Mapping[str, str]) -> list[str]:
    """``namespace/name`` of the policies that a workload is told to keep to."""
    levels = _levels(policies, root, namespace)
    own = _oldest(
        p
        for p in policies
        if namespace != root and resources.namespace_of(p) == namespace and _chosen(p) and _fits(p, labels)
    )
    mode = mode_of(own)
    is_strict = levels.is_strict if mode == UNSET else mode == STRICT
    ports = _ports(own)
    exceptions = {PERMISSIVE, DISABLE} if mode != UNSET else {PERMISSIVE}
    has_exception = any(m in exceptions for m in ports.values())
    if own is not None and (has_exception if is_strict else STRICT in ports.values()):
        return [f"{resources.namespace_of(own)}/{PREFIX}{resources.name_of(own)}"]
    return [f"{root}/{STATIC}"] if is_strict else []


def _converted(policy: Object, policies: Sequence[Object], root: str) -> Authorization | None:
    namespace, ports = resources.namespace_of(policy), _ports(policy)
    if namespace == root or not _chosen(policy) or not ports:
        return None
    mode = mode_of(policy)
    levels = _levels(policies, root, namespace)
    is_strict = levels.is_strict if mode == UNSET else mode == STRICT
    groups: list[Any] = []
    if not is_strict:
        strict = [number for number, of_port in ports.items() if of_port == STRICT]
        groups = [{"rules": [{"matches": [{"destinationPorts": [n], **NOBODY}]}]} for n in strict]
    else:
        exempt = [n for n, of_port in ports.items() if of_port in (PERMISSIVE, DISABLE)]
        if exempt:
            rules = [{"matches": [{"notDestinationPorts": [n]}]} for n in exempt]
            groups = [{"rules": [{"matches": [NOBODY]}, *rules]}]
    if not groups:
        return None
    name = f"{PREFIX}{resources.name_of(policy)}"
    return {"name": name, "namespace": namespace, "action": DENY, "scope": SELECTOR, "groups": groups}


def mode_of(policy: Object | None) -> str:
    """``STRICT``, ``PERMISSIVE``, ``DISABLE`` or ``UNSET``."""
    return str((((policy or {}).get("spec") or {}).get("mtls") or {}).get("mode") or UNSET)


def _levels(policies: Sequence[Object], root: str, namespace: str) -> _Levels:
    def of(where: str) -> Object | None:
        return _oldest(p for p in policies if resources.namespace_of(p) == where and not _chosen(p))

    return _Levels(mesh=of(root), namespace=of(namespace) if namespace != root else None)


def _oldest(policies: Any) -> Object | None:
    return min(policies, key=selection.age, default=None)


def _chosen(policy: Object) -> Mapping[str, str]:
    return ((policy.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}


def _fits(policy: Object, labels: Mapping[str, str]) -> bool:
    return _chosen(policy).items() <= labels.items()


def _ports(policy: Object | None) -> dict[int, str]:
    given = ((policy or {}).get("spec") or {}).get("portLevelMtls") or {}
    return {int(n): str((mode or {}).get("mode") or UNSET) for n, mode in sorted(given.items(), key=_number)}


def _number(entry: tuple[Any, Any]) -> int:
    return int(entry[0])
