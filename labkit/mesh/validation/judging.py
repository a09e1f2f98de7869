"""The verdict on an object: the rules that definitions hold in CEL, then those of Istio's own webhook."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh.validation import (
    authorization,
    destinationrule,
    envoyfilter,
    findings,
    gateway,
    jwt,
    kgateway,
    rules,
    serviceentry,
    sidecar,
    telemetry,
    virtualservice,
)
from labkit.mesh.validation.findings import Cause, Finding


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """On one object."""

    causes: tuple[Cause, ...] = ()
    """Broken rules of the definition: a 422 that names the field of each. The API server asks the same rules before."""

    error: str = ""
    """What the webhook says no with; empty when it agrees."""

    warnings: tuple[str, ...] = ()

    @property
    def is_allowed(self) -> bool:
        """Whether the object may be stored."""
        return not (self.causes or self.error)

    def message(self, obj: Object) -> str:
        """The sentence of a refusal."""
        if not self.causes:
            return f"configuration is invalid: {self.error}"
        texts = [f"{c.field}: {c.message}" for c in self.causes]
        text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
        return f'{obj["kind"]}.{group_of(obj)} "{resources.name_of(obj)}" is invalid: {text}'


def validate(obj: Object, *, envoy: envoyfilter.EnvoyApi | None = None) -> Verdict:
    """The verdict on an object whose fields have the right types; kinds without rules of their own pass.

    ``envoy`` knows Envoy's messages; without it the contents of patches are not looked at.
    """
    group, kind = group_of(obj), str(obj.get("kind"))
    try:
        causes = tuple(rules.broken(group, kind, obj))
        if causes or group == kgateway.GROUP:
            return Verdict(causes=causes)
        found = list(_findings(group, kind, obj, envoy))
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
