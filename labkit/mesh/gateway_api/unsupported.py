"""What objects of the Gateway API may say and nobody here carries out."""

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.mesh.gateway_api import deployments
from labkit.mesh.gateway_api.scene import CLASSES, CONTROLLER, GROUP

MODIFIERS = ("RequestHeaderModifier", "ResponseHeaderModifier")
ADDRESSES = ("Hostname",)


def findings(obj: Object) -> Iterator[str]:
    """One sentence for each such thing, its field first."""
    if str(obj.get("apiVersion", "")).partition("/")[0] != GROUP:
        return
    spec = obj.get("spec") or {}
    if obj.get("kind") == "Gateway":
        yield from _gateway(spec)
    elif obj.get("kind") in ("HTTPRoute", "GRPCRoute"):
        for number, rule in enumerate(spec.get("rules") or []):
            yield from _rule(rule, f"spec.rules[{number}]")


def _gateway(spec: Mapping[str, Any]) -> Iterator[str]:
    name = str(spec.get("gatewayClassName"))
    if name in CLASSES and CLASSES[name][0] != CONTROLLER:
        yield f"spec.gatewayClassName: Gateways of class {name} are not carried out here"
    for number, listener in enumerate(spec.get("listeners") or []):
        place = f"spec.listeners[{number}]"
        if listener.get("protocol") in ("TCP", "TLS"):
            kind = f"{listener['protocol']}Route"
            yield f"{place}.protocol: there are no {kind}s here, so this listener gets no traffic"
        if (listener.get("tls") or {}).get("options"):
            yield f"{place}.tls.options: not carried out here"
        if len((listener.get("tls") or {}).get("certificateRefs") or []) > 1:
            yield f"{place}.tls.certificateRefs: only the first certificate is used here"
    for number, address in enumerate(spec.get("addresses") or []):
        if address.get("type", "IPAddress") not in ADDRESSES:
            yield f"spec.addresses[{number}]: only addresses of type Hostname are carried out here"
    reference = (spec.get("infrastructure") or {}).get("parametersRef")
    if reference and (reference.get("group"), reference.get("kind")) != ("", "ConfigMap"):
        keys = ", ".join(deployments.OVERLAYS)
        yield f"spec.infrastructure.parametersRef: only a ConfigMap with {keys} is read"


def _rule(rule: Mapping[str, Any], place: str) -> Iterator[str]:
    for number, timeouts in enumerate(rule.get("filters") or []):
        if timeouts.get("type") == "ExtensionRef":
            yield f"{place}.filters[{number}]: filters of type ExtensionRef are not carried out here"
    for at, backend in enumerate(rule.get("backendRefs") or []):
        for number, timeouts in enumerate(backend.get("filters") or []):
            if timeouts.get("type") not in MODIFIERS:
                kind = timeouts.get("type")
                yield f"{place}.backendRefs[{at}].filters[{number}]: {kind} of one backend is not carried out here"
