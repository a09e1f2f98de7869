"""What Istio's own webhook says of an object, said of objects in files too; and fields that have had their day."""

from collections.abc import Iterator

from labkit.mesh.analysis.messages import ERROR, INFO, WARNING, Message, on
from labkit.mesh.analysis.snapshot import Object, Snapshot
from labkit.mesh.validation import validate


def validity(objects: Snapshot) -> Iterator[Message]:
    """IST0106, IST0133; of VirtualServices' rules that are never reached IST0130 and IST0131."""
    for obj in objects.all():
        verdict = validate(dict(obj))
        if verdict.error:
            yield on(obj, "IST0106", ERROR, f"Schema validation error: {verdict.error}")
        for text in verdict.warnings:
            yield _warning(obj, text)


def _warning(obj: Object, text: str) -> Message:
    if not text.startswith("virtualService rule "):
        return on(obj, "IST0133", WARNING, f"Schema validation warning: {text}")
    sentence = f"V{text[1:]}."
    if "duplicate/overlapping" in text:
        return on(obj, "IST0131", INFO, sentence)
    return on(obj, "IST0130", WARNING, sentence)


def deprecated_fields(objects: Snapshot) -> Iterator[Message]:
    """IST0002."""
    for service in objects.of("VirtualService"):
        for rule in service["spec"].get("http") or []:
            if ((rule.get("fault") or {}).get("delay") or {}).get("percent"):
                text = "HTTPRoute.fault.delay.percent is deprecated; use HTTPRoute.fault.delay.percentage"
                yield on(service, "IST0002", WARNING, f"Deprecated: {text}")
    for sidecar in objects.of("Sidecar"):
        if ((sidecar.get("spec") or {}).get("outboundTrafficPolicy") or {}).get("egressProxy"):
            yield on(sidecar, "IST0002", WARNING, "Deprecated: OutboundTrafficPolicy.EgressProxy is deprecated")


def conditions(objects: Snapshot) -> Iterator[Message]:
    """IST0171: conditions that are not true."""
    for obj in objects.all():
        if obj["kind"] in CORE:
            continue
        for condition in (obj.get("status") or {}).get("conditions") or []:
            if condition.get("status") == "False":
                parts = ", ".join(f"{key}={condition.get(key, '')}" for key in ("type", "reason", "message"))
                yield on(obj, "IST0171", WARNING, f"A condition with a negative status is present: {parts}.")


CORE = ("Pod", "Deployment", "Namespace", "Secret", "ConfigMap")
"""Kinds whose conditions are for their own controllers."""
