"""The verdict of Istio's own webhook on an object."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh.validation import (
    authorization,
    destinationrule,
    envoyfilter,
    gateway,
    jwt,
    peerauthentication,
    serviceentry,
    sidecar,
    telemetry,
    virtualservice,
    wasmplugin,
    workloads,
)
from labkit.mesh.validation.findings import Finding, error, sentence, warnings
from labkit.mesh.validation.gotext import quoted


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
        findings = list(_findings(group_of(obj), str(obj.get("kind")), obj, envoy))
    except (TypeError, AttributeError, KeyError, ValueError):
        # Wrong types are the API server's to refuse, with the path of the field; it does so before it asks here.
        return Verdict()
    return Verdict(error=sentence(findings), warnings=warnings(findings))


def group_of(obj: Object) -> str:
    """``networking.istio.io``."""
    return str(obj.get("apiVersion", "")).rpartition("/")[0]


Check = Callable[[Object], Iterator[Finding]]

CHECKS: Mapping[tuple[str, str], Check] = {
    ("networking.istio.io", "VirtualService"): virtualservice.findings,
    ("networking.istio.io", "DestinationRule"): destinationrule.findings,
    ("networking.istio.io", "Gateway"): gateway.findings,
    ("networking.istio.io", "ServiceEntry"): serviceentry.findings,
    ("networking.istio.io", "WorkloadEntry"): workloads.workload_entry,
    ("networking.istio.io", "WorkloadGroup"): workloads.workload_group,
    ("networking.istio.io", "Sidecar"): sidecar.findings,
    ("networking.istio.io", "ProxyConfig"): wasmplugin.proxy_config,
    ("security.istio.io", "PeerAuthentication"): peerauthentication.findings,
    ("security.istio.io", "RequestAuthentication"): jwt.findings,
    ("security.istio.io", "AuthorizationPolicy"): authorization.findings,
    ("telemetry.istio.io", "Telemetry"): telemetry.findings,
    ("extensions.istio.io", "WasmPlugin"): wasmplugin.findings,
}

DRY_RUN, ALWAYS_REJECT = "istio.io/dry-run", "internal.istio.io/webhook-always-reject"
_BOOLEANS = ("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False")


def _findings(group: str, kind: str, obj: Object, envoy: envoyfilter.EnvoyApi | None) -> Iterator[Finding]:
    check = CHECKS.get((group, kind))
    if check is None and kind != "EnvoyFilter":
        return
    if problem := _annotations(kind, obj):
        yield error(problem)
    elif check is None:
        yield from envoyfilter.findings(obj, envoy)
    else:
        yield from check(obj)


def _annotations(kind: str, obj: Object) -> str:
    """What Istio refuses before it looks at the spec."""
    annotations = resources.annotations_of(obj)
    place = f"{resources.namespace_of(obj)}/{resources.name_of(obj)}"
    value = annotations.get(DRY_RUN)
    if value is not None:
        if kind != "AuthorizationPolicy":
            return f"{place} has unsupported annotation {DRY_RUN}, please remove the annotation"
        action = (obj.get("spec") or {}).get("action", "ALLOW")
        if action not in ("ALLOW", "DENY"):
            return (
                f"the annotation {DRY_RUN} currently only supports action ALLOW/DENY, found action {action} in {place}"
            )
        if value not in _BOOLEANS:
            problem = f"strconv.ParseBool: parsing {quoted(value)}: invalid syntax"
            return f"{place} has annotation {DRY_RUN} with invalid value ({value}): {problem}"
    return f'"{ALWAYS_REJECT}" annotation found, rejecting' if ALWAYS_REJECT in annotations else ""
