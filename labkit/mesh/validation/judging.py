"""The verdict of Istio's own webhook on an object."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from labkit.kube.resources import Object
from labkit.mesh.validation import (
    authorization,
    destinationrule,
    envoyfilter,
    findings,
    gateway,
    jwt,
    serviceentry,
    sidecar,
    telemetry,
    virtualservice,
)
from labkit.mesh.validation.findings import Finding


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """On one object."""

    error: str = ""
    """What the webhook says no with; empty when it agrees."""

    warnings: tuple[str, ...] = ()

    @property
    def is_allowed(self) -> bool:
        """Whether the object may be stored."""
        return not self.error

    @property
    def message(self) -> str:
        """The sentence of a refusal."""
        return f"configuration is invalid: {self.error}"


def validate(obj: Object, *, envoy: envoyfilter.EnvoyApi | None = None) -> Verdict:
    """The verdict on an object whose fields have the right types; kinds without rules of their own pass.

    ``envoy`` knows Envoy's messages; without it the contents of patches are not looked at.
    """
    try:
        found = list(_findings(group_of(obj), str(obj.get("kind")), obj, envoy))
    except (TypeError, AttributeError, KeyError, ValueError):
        # Wrong types are the API server's to refuse, with the path of the field; it does so before it asks here.
        return Verdict()
    return Verdict(error=findings.sentence(found), warnings=findings.warnings(found))


def group_of(obj: Object) -> str:
    """``networking.istio.io``."""
    return str(obj.get("apiVersion", "")).rpartition("/")[0]


Check = Callable[[Object], Iterator[Finding]]

CHECKS: Mapping[tuple[str, str], Check] = {
    ("networking.istio.io", "VirtualService"): virtualservice.findings,
    ("networking.istio.io", "DestinationRule"): destinationrule.findings,
    ("networking.istio.io", "Gateway"): gateway.findings,
    ("networking.istio.io", "ServiceEntry"): serviceentry.findings,
    ("networking.istio.io", "WorkloadEntry"): serviceentry.workload_entry,
    ("networking.istio.io", "Sidecar"): sidecar.findings,
    ("security.istio.io", "PeerAuthentication"): authorization.peer_authentication,
    ("security.istio.io", "RequestAuthentication"): jwt.findings,
    ("security.istio.io", "AuthorizationPolicy"): authorization.findings,
    ("telemetry.istio.io", "Telemetry"): telemetry.findings,
}


def _findings(group: str, kind: str, obj: Object, envoy: envoyfilter.EnvoyApi | None) -> Iterator[Finding]:
    if kind == "EnvoyFilter":
        yield from envoyfilter.findings(obj, envoy)
    elif check := CHECKS.get((group, kind)):
        yield from check(obj)
