"""Policies, Sidecars, Telemetries and ServiceEntries: whom they select, and who else does."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from labkit.mesh.analysis.messages import ERROR, NAME, WARNING, Message, Path, not_there, on
from labkit.mesh.analysis.snapshot import (
    AMBIENT,
    MODE,
    ROOT,
    Object,
    Snapshot,
    full_name,
    is_in_ambient,
    labels_of,
    listed,
    name_of,
    namespace_of,
)

BY_TARGET = ("AuthorizationPolicy", "RequestAuthentication", "Telemetry", "WasmPlugin")
OF_GATEWAY = "gateway.networking.k8s.io/gateway-name"
"""The label of pods that a Gateway of the Gateway API has brought."""


def workloads(objects: Snapshot) -> Iterator[Message]:
    """IST0127: AuthorizationPolicies for no pod of the mesh."""
    for policy in objects.of("AuthorizationPolicy"):
        spec, namespace = policy.get("spec") or {}, namespace_of(policy)
        is_general = "selector" not in spec
        if "targetRef" in spec or "targetRefs" in spec or (is_general and namespace == ROOT):
            continue
        selector = (spec.get("selector") or {}).get("matchLabels") or {}
        pods = objects.pods(selector, "" if namespace == ROOT else namespace)
        if not any(objects.is_in_mesh(pod) for pod in pods):
            text = f"No matching workloads for this resource with the following labels: {listed(selector)}"
            yield on(policy, "IST0127", WARNING, text)


def namespaces(objects: Snapshot) -> Iterator[Message]:
    """IST0101: AuthorizationPolicies that name a namespace that is not there."""
    names = [name_of(namespace).lower() for namespace in objects.of("Namespace")]
    for policy in objects.of("AuthorizationPolicy"):
        for path, pattern in _namespaces(policy):
            if not any(_matches(pattern.lower(), name) for name in names):
                yield not_there(policy, "namespace", pattern, path)


def _matches(pattern: str, name: str) -> bool:
    if pattern.startswith("*"):
        return name.endswith(pattern[1:])
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _namespaces(policy: Object) -> Iterator[tuple[Path, str]]:
    for at, rule in enumerate((policy.get("spec") or {}).get("rules") or []):
        for number, source in enumerate((rule or {}).get("from") or []):
            for key in ("namespaces", "notNamespaces"):
                path: Path = ("spec", "rules", at, "from", number, "source", key)
                for index, name in enumerate((source.get("source") or {}).get(key) or []):
                    yield (*path, index), name


def _labels(obj: Object) -> Mapping[str, str]:
    spec = obj.get("spec") or {}
    selector = (spec.get("workloadSelector") or {}).get("labels") or (spec.get("selector") or {}).get("matchLabels")
    return selector or {}


def sidecar_selectors(objects: Snapshot) -> Iterator[Message]:
    """IST0101: Sidecars that select no pod."""
    for sidecar in objects.of("Sidecar"):
        selector = _labels(sidecar)
        if selector and not objects.pods(selector, namespace_of(sidecar)):
            path: Path = ("spec", "workloadSelector", "labels", min(selector))
            yield not_there(sidecar, "selector", listed(selector), path)


def general_sidecars(objects: Snapshot) -> Iterator[Message]:
    """IST0111: several Sidecars for a whole namespace."""
    yield from _general(objects, "Sidecar", "Sidecars", "IST0111")


def general_telemetries(objects: Snapshot) -> Iterator[Message]:
    """IST0160: several Telemetries for a whole namespace."""
    yield from _general(objects, "Telemetry", "Telemetries", "IST0160")


def _general(objects: Snapshot, kind: str, plural: str, code: str) -> Iterator[Message]:
    by_namespace: dict[str, list[Object]] = defaultdict(list)
    for obj in objects.of(kind):
        if not {"workloadSelector", "selector", "targetRef", "targetRefs"} & (obj.get("spec") or {}).keys():
            by_namespace[namespace_of(obj)].append(obj)
    for namespace, several in by_namespace.items():
        if len(several) > 1:
            text = f'The {plural} {_names(several)} in namespace "{namespace}" have no workload selector, which can '
            yield from (on(obj, code, ERROR, f"{text}lead to undefined behavior.") for obj in several)


def _names(several: Sequence[Object]) -> str:
    return f"[{' '.join(sorted(map(name_of, several)))}]"


def same_sidecars(objects: Snapshot) -> Iterator[Message]:
    """IST0110: two Sidecars that select one pod."""
    yield from _same(objects, "Sidecar", "Sidecars", "IST0110")


def same_telemetries(objects: Snapshot) -> Iterator[Message]:
    """IST0159: two Telemetries that select one pod."""
    yield from _same(objects, "Telemetry", "Telemetries", "IST0159")


def sidecars_in_ambient(objects: Snapshot) -> Iterator[Message]:
    """IST0167: Sidecars for namespaces or pods that have no sidecar, since ztunnel serves them."""
    for sidecar in objects.of("Sidecar"):
        selector, namespace = _labels(sidecar), namespace_of(sidecar)
        reason = ""
        if not selector and labels_of(objects.namespace(namespace)).get(MODE) == AMBIENT:
            reason = "namespace is in ambient mode"
        elif selector and any(is_in_ambient(pod) for pod in objects.pods(selector, namespace)):
            reason = "selected workload is in ambient mode"
        if reason:
            text = f"The policy has no impact: {reason}, the policy has no impact."
            yield on(sidecar, "IST0167", WARNING, text)


def selectors_of_gateways(objects: Snapshot) -> Iterator[Message]:
    """IST0166: policies that select the pods of a Gateway of the Gateway API, which only ``targetRefs`` reach."""
    for policy in (one for kind in BY_TARGET for one in objects.of(kind)):
        spec, selector = policy.get("spec") or {}, _labels(policy)
        if not selector or "targetRef" in spec or "targetRefs" in spec:
            continue
        pods = objects.pods(selector, namespace_of(policy))
        for gateway in sorted({name for pod in pods if (name := labels_of(pod).get(OF_GATEWAY))}):
            text = f"Ineffective selector on Kubernetes Gateway {gateway}. Use the TargetRef field instead."
            yield on(policy, "IST0166", WARNING, text)


def _same(objects: Snapshot, kind: str, plural: str, code: str) -> Iterator[Message]:
    selecting: dict[tuple[str, str], list[Object]] = defaultdict(list)
    for obj in objects.of(kind):
        for pod in objects.pods(_labels(obj), namespace_of(obj)) if _labels(obj) else []:
            selecting[namespace_of(obj), name_of(pod)].append(obj)
    for (namespace, pod_name), several in selecting.items():
        if len(several) > 1:
            text = f'The {plural} {_names(several)} in namespace "{namespace}" select the same workload pod '
            text += f'"{pod_name}", which can lead to undefined behavior.'
            yield from (on(obj, code, ERROR, text, NAME) for obj in several)


def telemetry_providers(objects: Snapshot) -> Iterator[Message]:
    """IST0157: access logs to nobody, where the mesh has no default provider."""
    if (objects.mesh_config.get("defaultProviders") or {}).get("accessLogging"):
        return
    for telemetry in objects.of("Telemetry"):
        stanzas = (telemetry.get("spec") or {}).get("accessLogging") or []
        if any(not (stanza or {}).get("providers") for stanza in stanzas):
            text = f'The Telemetry {name_of(telemetry)} in namespace "{namespace_of(telemetry)}" with empty providers '
            yield on(telemetry, "IST0157", WARNING, f"{text}will be ignored.")


def entry_addresses(objects: Snapshot) -> Iterator[Message]:
    """IST0134: TCP ports of ServiceEntries without an address to be told apart by."""
    for entry in objects.of("ServiceEntry"):
        spec = entry["spec"]
        if spec.get("addresses") or (entry.get("status") or {}).get("addresses"):
            continue
        for at, port in enumerate(spec.get("ports") or []):
            if port.get("protocol", "") in ("", "TCP"):
                text = "ServiceEntry addresses are required for this protocol."
                yield on(entry, "IST0134", WARNING, text, ("spec", "ports", at))


def entry_protocols(objects: Snapshot) -> Iterator[Message]:
    """IST0177: ServiceEntries that give one port of a host different protocols."""
    ports: dict[tuple[str, int], list[tuple[Object, str]]] = defaultdict(list)
    for entry in objects.of("ServiceEntry"):
        for host in entry["spec"].get("hosts") or []:
            for port in entry["spec"].get("ports") or []:
                ports[host, port["number"]].append((entry, str(port.get("protocol", "")).upper()))
    for (host, number), entries in ports.items():
        protocols = sorted({protocol for _, protocol in entries})
        if len(protocols) < 2:
            continue
        names = ", ".join(dict.fromkeys(full_name(entry) for entry, _ in entries))
        text = (
            f'Multiple ServiceEntries ({names}) define the same host "{host}" and port {number} with conflicting '
            f"protocols ({', '.join(protocols)})."
        )
        yield from (on(entry, "IST0177", WARNING, text, NAME) for entry, _ in entries)
