"""Namespaces, pods, Deployments and Services as Istio wants them: labels, images, users, names of ports."""

from collections import defaultdict
from collections.abc import Iterator

from labkit.mesh import protocols
from labkit.mesh.analysis import snapshot, webhooks
from labkit.mesh.analysis.messages import ERROR, INFO, WARNING, Message, on
from labkit.mesh.analysis.snapshot import MODE, SYSTEM, Object, Snapshot, full_name, labels_of, name_of, namespace_of

PROXYS_USER = 1337
SWITCH, REVISION = "istio-injection", "istio.io/rev"
PLACEHOLDER = "auto"
HBONE = "hbone"
"""The appProtocol of a waypoint's port, which istiod knows though no name of a port says it."""
"""The image of a proxy that injection is to fill in, as a gateway's manifest has it."""


def namespaces(objects: Snapshot) -> Iterator[Message]:
    """IST0102, not labelled for injection; IST0123, labelled twice."""
    for namespace in objects.of("Namespace"):
        name, labels = name_of(namespace), labels_of(namespace)
        if name in SYSTEM or MODE in labels:
            continue
        if labels.get(SWITCH) and REVISION in labels:
            both = f"[{SWITCH}={labels[SWITCH]} {REVISION}={labels[REVISION]}]"
            text = f"The namespace has more than one type of injection labels {both}, which may lead to undefined "
            yield on(namespace, "IST0123", WARNING, f"{text}behavior. Make sure only one injection label exists.")
        elif not labels.get(SWITCH) and REVISION not in labels and any(map(_is_plain, objects.pods({}, name))):
            yield on(namespace, "IST0102", INFO, _unlabelled(name))


def _is_plain(pod: Object) -> bool:
    return not snapshot.proxies_of(pod)


def _unlabelled(name: str) -> str:
    label = f"kubectl label namespace {name} istio-injection="
    return (
        f"The namespace is not enabled for Istio injection. Run '{label}enabled' to enable it, or '{label}disabled' to "
        "explicitly mark it as not needing injection."
    )


def _injected(objects: Snapshot) -> Iterator[Object]:
    """Pods that a label of their namespace, and nothing of their own, has injected."""
    for pod in objects.of("Pod"):
        labels = labels_of(objects.namespace(namespace_of(pod)))
        if REVISION in labels and labels.get(SWITCH):
            continue
        if REVISION not in labels and labels.get(SWITCH) != "enabled":
            continue
        annotation = (pod["metadata"].get("annotations") or {}).get("sidecar.istio.io/inject", "")
        own = labels_of(pod).get("sidecar.istio.io/inject", annotation)
        if own.lower() != "false" and namespace_of(pod) not in SYSTEM:
            yield pod


def missing_proxies(objects: Snapshot) -> Iterator[Message]:
    """IST0103: pods without the proxy that their namespace asks for."""
    for pod in _injected(objects):
        if not (pod.get("spec") or {}).get("hostNetwork") and _is_plain(pod):
            text = f"The pod {full_name(pod)} is missing the Istio proxy. This can often be resolved by restarting or "
            yield on(pod, "IST0103", WARNING, f"{text}redeploying the workload.")


def images(objects: Snapshot) -> Iterator[Message]:
    """IST0158: proxies of another image than the injector's."""
    others: dict[str, list[str]] = defaultdict(list)
    for pod in _injected(objects) if objects.proxy_image else ():
        if any(proxy.get("image") != objects.proxy_image for proxy in snapshot.proxies_of(pod)):
            others[namespace_of(pod)].append(name_of(pod))
    for name, pods in others.items():
        text = (
            "The Istio proxy images of the pods running in the namespace do not match the image defined in the "
            f"injection configuration (pod names: [{' '.join(pods)}]). This often happens after upgrading the Istio "
            "control-plane and can be fixed by redeploying the pods."
        )
        yield on(objects.namespace(name), "IST0158", WARNING, text)


def placeholders(objects: Snapshot) -> Iterator[Message]:
    """IST0146 and IST0147: a proxy's image that injection was to fill in, and will not."""
    ending = "contains `image: auto` but does not match any Istio injection webhook selectors."
    for deployment in objects.of("Deployment"):
        template = (deployment.get("spec") or {}).get("template") or {}
        labels = (labels_of(objects.namespace(namespace_of(deployment))), _labels_of_template(template))
        if _has_placeholder(template) and not webhooks.is_injected(objects, *labels):
            yield on(deployment, "IST0146", WARNING, f"Deployment {name_of(deployment)} {ending}")
    for pod in objects.of("Pod"):
        if _has_placeholder(pod):
            yield on(pod, "IST0147", ERROR, f"Pod {name_of(pod)} {ending}")


def _labels_of_template(template: Object) -> dict[str, str]:
    return dict((template.get("metadata") or {}).get("labels") or {})


def _has_placeholder(pod: Object) -> bool:
    return any(proxy.get("image") == PLACEHOLDER for proxy in snapshot.proxies_of(pod))


def users(objects: Snapshot) -> Iterator[Message]:
    """IST0144: applications that run as the proxy's user."""
    for obj in (*objects.of("Pod"), *objects.of("Deployment")):
        if labels_of(obj).get("istio") == "pilot" or labels_of(obj).get("release") == "istio":
            continue
        spec = obj.get("spec") or {}
        pod = spec if obj["kind"] == "Pod" else (spec.get("template") or {}).get("spec") or {}
        applications = [c for c in pod.get("containers") or [] if c.get("name") != snapshot.PROXY]
        if any((part.get("securityContext") or {}).get("runAsUser") == PROXYS_USER for part in (pod, *applications)):
            yield on(obj, "IST0144", WARNING, f"User ID (UID) {PROXYS_USER} is reserved for the sidecar proxy.")


def deployments(objects: Snapshot) -> Iterator[Message]:
    """IST0116 and IST0137: several Services of one Deployment that do not go together."""
    for deployment in objects.of("Deployment"):
        template = (deployment.get("spec") or {}).get("template") or {}
        metadata = {"name": "", **(template.get("metadata") or {}), "namespace": namespace_of(deployment)}
        pod: Object = {**template, "metadata": metadata}
        if objects.is_in_mesh(pod):
            yield from _services_of(deployment, objects.services_of(pod))


def _services_of(deployment: Object, services: list[Object]) -> Iterator[Message]:
    protocols_of: dict[int, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    targets: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for service in services:
        for port in service["spec"].get("ports") or []:
            target = str(port.get("targetPort", port["port"]))
            protocols_of[port["port"]][port.get("protocol", "TCP")].add(full_name(service))
            targets[target][port["port"]].add(full_name(service))
    subject = f"This deployment {name_of(deployment)} is associated with multiple services"
    for number, by_protocol in protocols_of.items():
        if len(by_protocol) > 1:
            text = f"{subject} using port {number} but different protocols: {_list(set().union(*by_protocol.values()))}"
            yield on(deployment, "IST0116", WARNING, text)
    for target, by_number in targets.items():
        if len(by_number) > 1:
            names = _list(set().union(*by_number.values()))
            numbers = f"[{' '.join(map(str, sorted(by_number)))}]"
            text = f'{subject} {names} using targetPort "{target}" but different ports: {numbers}.'
            yield on(deployment, "IST0137", WARNING, text)


def _list(services: set[str]) -> str:
    return f"[{' '.join(sorted(services))}]"


def services(objects: Snapshot) -> Iterator[Message]:
    """IST0118, ports whose names say no protocol; IST0150, the same of an ExternalName Service."""
    for service in objects.of("Service"):
        labels = labels_of(service)
        if namespace_of(service) in SYSTEM or labels.get("istio") == "pilot" or labels.get("release") == "istio":
            continue
        is_external = service["spec"].get("type") == "ExternalName"
        for port in service["spec"].get("ports") or []:
            name, is_tcp = port.get("name", ""), port.get("protocol", "TCP") == "TCP"
            protocol = protocols.of_port(name, port["port"], port.get("appProtocol"))
            if (
                not is_tcp
                or port.get("appProtocol") == HBONE
                or (protocol != protocols.UNKNOWN and not (is_external and name == "tcp"))
            ):
                continue
            if is_external:
                text = (
                    "Port name for ExternalName service is invalid. Proxy may prevent tcp named ports and unmatched "
                    "traffic for ports serving TCP protocol from being forwarded correctly"
                )
                yield on(service, "IST0150", WARNING, text)
            else:
                target = port.get("targetPort", port["port"])
                text = f"Port name {name} (port: {port['port']}, targetPort: {target}) doesn't follow the naming "
                yield on(service, "IST0118", INFO, f"{text}convention of Istio port.")
