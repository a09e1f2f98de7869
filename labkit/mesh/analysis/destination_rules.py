"""DestinationRules: hosts, subsets of pods, and TLS that checks nobody."""

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.mesh.analysis.messages import ERROR, WARNING, Message, on
from labkit.mesh.analysis.snapshot import Object, Snapshot, full_name, namespace_of

ORIGINATING = ("SIMPLE", "MUTUAL")


def hosts(objects: Snapshot) -> Iterator[Message]:
    """IST0174: a rule for a host that nobody has."""
    for rule in objects.of("DestinationRule"):
        host, namespace = rule["spec"].get("host", ""), namespace_of(rule)
        if "*" not in host and not objects.knows(host, namespace):
            text = f"The host {host} defined in the DestinationRule does not match any services in the mesh."
            yield on(rule, "IST0174", WARNING, text)


def subsets(objects: Snapshot) -> Iterator[Message]:
    """IST0173: a subset of no pod."""
    for rule in objects.of("DestinationRule"):
        service = objects.service(rule["spec"].get("host", ""), namespace_of(rule))
        # Any pod of the namespace with these labels counts, also one of another Service: so does Istio's analyzer.
        if not service or not service["spec"].get("selector"):
            continue
        for subset in rule["spec"].get("subsets") or []:
            labels = subset.get("labels") or {}
            if labels and not objects.pods(labels, namespace_of(service)):
                text = f"The Subset {subset['name']} defined in the DestinationRule does not select any pods. "
                yield on(rule, "IST0173", ERROR, f"{text}Which may lead to 503 UH (NoHealthyUpstream).")


def certificates(objects: Snapshot) -> Iterator[Message]:
    """IST0128, TLS without a CA for the host; IST0129, for one of its ports."""
    for rule in objects.of("DestinationRule"):
        policy, host = rule["spec"].get("trafficPolicy") or {}, rule["spec"].get("host", "")
        if (mode := _unchecked(policy.get("tls") or {})) is not None:
            yield on(rule, "IST0128", WARNING, _text(rule, mode, host))
        for setting in policy.get("portLevelSettings") or []:
            if (mode := _unchecked(setting.get("tls") or {})) is not None:
                number = (setting.get("port") or {}).get("number")
                yield on(rule, "IST0129", WARNING, f"{_text(rule, mode, host)} at port {number}")


def _unchecked(tls: Mapping[str, Any]) -> str | None:
    is_checked = tls.get("caCertificates") or tls.get("credentialName")
    return None if is_checked or tls.get("mode") not in ORIGINATING else str(tls["mode"])


def _text(rule: Object, mode: str, host: str) -> str:
    return (
        f"DestinationRule {full_name(rule)} in namespace {namespace_of(rule)} has TLS mode set to {mode} but no "
        f"caCertificates are set to validate server identity for host: {host}"
    )
