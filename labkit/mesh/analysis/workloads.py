"""Namespaces, Services and rules as Istio wants them: labels, names of ports, rules that are never reached."""

from collections.abc import Iterator

from labkit.mesh.analysis import snapshot
from labkit.mesh.analysis.messages import INFO, WARNING, Message, on
from labkit.mesh.analysis.snapshot import Object, Snapshot
from labkit.mesh.validation import overlaps

PROTOCOLS = (
    *("http", "http2", "https", "grpc", "grpc-web", "tcp", "tls", "udp", "mongo", "mysql", "redis", "auto"),
    *("hbone", "http-proxy"),
)
"""Names, or their part before a dash, by which Istio knows a port's protocol."""

SYSTEM = ("istio-system", "kube-system", "kube-public", "kube-node-lease", "local-path-storage")


def namespaces(objects: Snapshot) -> Iterator[Message]:
    """IST0102, not labelled for injection; IST0123, labelled twice."""
    for namespace in objects.of("Namespace"):
        name, labels = snapshot.name_of(namespace), snapshot.labels_of(namespace)
        if "istio-injection" in labels and "istio.io/rev" in labels:
            both = f"[istio-injection={labels['istio-injection']} istio.io/rev={labels['istio.io/rev']}]"
            text = f"The namespace has more than one type of injection labels {both}, which may lead to undefined "
            yield on(namespace, "IST0123", WARNING, f"{text}behavior. Make sure only one injection label exists.")
        elif not {"istio-injection", "istio.io/rev", "istio.io/dataplane-mode"} & labels.keys():
            pods = [pod for pod in objects.pods({}, name) if not _is_injected(pod)]
            if pods and name not in SYSTEM:
                yield on(namespace, "IST0102", INFO, _unlabelled(name))


def _unlabelled(name: str) -> str:
    label = f"kubectl label namespace {name} istio-injection="
    return (
        f"The namespace is not enabled for Istio injection. Run '{label}enabled' to enable it, or '{label}disabled' to "
        "explicitly mark it as not needing injection."
    )


def _is_injected(pod: Object) -> bool:
    spec = pod.get("spec") or {}
    containers = [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
    return any(container.get("name") == "istio-proxy" for container in containers)


def services(objects: Snapshot) -> Iterator[Message]:
    """IST0118, ports whose names say no protocol; IST0150, the same of an ExternalName Service."""
    for service in objects.of("Service"):
        if snapshot.namespace_of(service) in SYSTEM or snapshot.name_of(service) == "kubernetes":
            continue
        is_external = service["spec"].get("type") == "ExternalName"
        for port in service["spec"].get("ports") or []:
            if port.get("appProtocol") or port.get("protocol", "TCP") != "TCP" or _says_protocol(port.get("name", "")):
                continue
            if is_external:
                text = (
                    "Port name for ExternalName service is invalid. Proxy may prevent tcp named ports and unmatched "
                    "traffic for ports serving TCP protocol from being forwarded correctly"
                )
                yield on(service, "IST0150", WARNING, text)
            else:
                target = port.get("targetPort", port["port"])
                text = f"Port name {port.get('name', '')} (port: {port['port']}, targetPort: {target}) doesn't follow "
                yield on(service, "IST0118", INFO, f"{text}the naming convention of Istio port.")


def _says_protocol(name: str) -> bool:
    return any(name == protocol or name.startswith(f"{protocol}-") for protocol in PROTOCOLS)


def rules(objects: Snapshot) -> Iterator[Message]:
    """IST0130 and IST0131: rules and matches that an earlier one leaves nothing to do."""
    for service in objects.of("VirtualService"):
        for finding in overlaps.of_http(service["spec"].get("http") or []):
            text = f"V{finding.text[1:]}."
            is_match = "duplicate/overlapping" in text
            code, level = ("IST0131", INFO) if is_match else ("IST0130", WARNING)
            yield on(service, code, level, text)
