"""Rules for pods and their templates, in the order in which a real server applies them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.validation import (
    causes,
    checks,
    containers,
    names,
    resources,
    scheduling,
    security,
    volumes,
)
from labkit.sandbox.apiserver.objects.validation.causes import Cause
from labkit.sandbox.apiserver.objects.validation.checks import between, form, needed, needed_one_of

_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_MOST_NAMESERVERS = 3
_MOST_SEARCHES = 32

FIELDS: Mapping[str, Mapping[str, tuple[checks.Check, ...]]] = {}


def spec_problems(spec: Object, path: str) -> Iterator[Cause]:
    """What is wrong with the spec of a pod, or of a template."""
    yield from checks.needed_value(spec.get("terminationGracePeriodSeconds"), f"{path}.terminationGracePeriodSeconds")
    usable, complaints = volumes.usable(spec.get("volumes") or (), f"{path}.volumes")
    yield from complaints
    claims = spec.get("resourceClaims") or ()
    yield from _claims(claims, f"{path}.resourceClaims")
    pod = containers.Pod(
        volumes=usable,
        claims={claim.get("name") or "" for claim in claims},
        grace=spec.get("terminationGracePeriodSeconds"),
        restart=spec.get("restartPolicy") or "",
        system=(spec.get("os") or {}).get("name") or "",
        is_host_user=spec.get("hostUsers") is not False,
    )
    regular, inits = spec.get("containers") or (), spec.get("initContainers") or ()
    yield from containers.regular(regular, pod, f"{path}.containers")
    yield from containers.init(inits, regular, pod, f"{path}.initContainers")
    others = [*regular, *inits]
    yield from containers.ephemeral(spec.get("ephemeralContainers") or (), others, pod, f"{path}.ephemeralContainers")
    if spec.get("resources") is not None:
        if spec["resources"].get("claims") is not None:
            yield causes.forbidden(f"{path}.resources.claims", "claims may not be set for Resources at pod-level")
        yield from resources.requirements(spec["resources"], f"{path}.resources", pod.claims, resources.of_pod)
    yield from _host_network(spec, path)
    yield from needed_one_of("Always", "OnFailure", "Never")(spec.get("restartPolicy"), f"{path}.restartPolicy")
    yield from needed_one_of(*_DNS_POLICIES)(spec.get("dnsPolicy"), f"{path}.dnsPolicy")
    yield from checks.label_set(spec.get("nodeSelector"), f"{path}.nodeSelector")
    yield from security.of_pod(spec, f"{path}.securityContext")
    yield from scheduling.affinity(spec.get("affinity") or {}, f"{path}.affinity")
    yield from _dns(spec, f"{path}.dnsConfig")
    yield from _gates(spec, path)
    yield from scheduling.spreading(spec.get("topologySpreadConstraints") or (), f"{path}.topologySpreadConstraints")
    yield from _namespaces(spec, path)
    yield from _names(spec, path)
    yield from _files(spec, path)
    if path == "spec":
        yield from _only_pods(spec, path)


def _only_pods(spec: Object, path: str) -> Iterator[Cause]:
    """What a template may have and a pod may not."""
    for at, volume in enumerate(spec.get("volumes") or ()):
        for place, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
            if source.get("serviceAccountToken") is not None and not spec.get("serviceAccountName"):
                here = f"{path}.volumes[{at}].projected.sources[{place}].serviceAccountToken"
                yield causes.forbidden(here, "must not be specified when serviceAccountName is not set")
    for group in ("containers", "initContainers"):
        for at, container in enumerate(spec.get(group) or ()):
            yield from containers.trimmed_image(container, f"{path}.{group}[{at}]")


def _claims(claims: Any, path: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for at, claim in enumerate(claims):
        here, name = f"{path}[{at}]", claim.get("name") or ""
        if not name:
            yield causes.required(f"{here}.name")
        elif name in seen:
            yield causes.duplicate(f"{here}.name", name)
        else:
            yield from form(names.label)(name, f"{here}.name")
            seen.add(name)
        given = [claim.get(field) is not None for field in ("resourceClaimName", "resourceClaimTemplateName")]
        if all(given):
            detail = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            yield causes.wrong(here, claim, detail)
        elif not any(given):
            detail = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            yield causes.wrong(here, claim, detail)


def _host_network(spec: Object, path: str) -> Iterator[Cause]:
    if not spec.get("hostNetwork"):
        return
    for at, container in enumerate(spec.get("containers") or ()):
        for place, port in enumerate(container.get("ports") or ()):
            host, own = port.get("hostPort") or 0, port.get("containerPort") or 0
            if host != own and (host or path == "spec"):
                detail = "must match `containerPort` when `hostNetwork` is true"
                yield causes.wrong(f"{path}.containers[{at}].ports[{place}].hostPort", host, detail)


def _dns(spec: Object, path: str) -> Iterator[Cause]:
    config, policy = spec.get("dnsConfig"), spec.get("dnsPolicy")
    if policy == "None":
        if config is None:
            yield causes.required(path, "must provide `dnsConfig` when `dnsPolicy` is None")
            return
        if not config.get("nameservers"):
            detail = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            yield causes.required(f"{path}.nameservers", detail)
            return
    options: Object = config or {}
    servers, searches = options.get("nameservers") or [], options.get("searches") or []
    if len(servers) > _MOST_NAMESERVERS:
        detail = f"must not have more than {_MOST_NAMESERVERS} nameservers"
        yield causes.wrong(f"{path}.nameservers", servers, detail)
    for at, address in enumerate(servers):
        for problem in names.ip(address):
            yield causes.wrong(f"{path}.nameservers[{at}]", address, problem)
    if len(searches) > _MOST_SEARCHES:
        yield causes.wrong(f"{path}.searches", searches, f"must not have more than {_MOST_SEARCHES} search paths")
    for at, search in enumerate(searches):
        if search != ".":
            for problem in names.underscored_subdomain(search.removesuffix(".")):
                yield causes.wrong(f"{path}.searches[{at}]", search.removesuffix("."), problem)
    for at, option in enumerate(options.get("options") or ()):
        if not option.get("name"):
            yield causes.required(f"{path}.options[{at}]", "must not be empty")


def _gates(spec: Object, path: str) -> Iterator[Cause]:
    for at, gate in enumerate(spec.get("readinessGates") or ()):
        kind = gate.get("conditionType") or ""
        for problem in names.qualified(kind):
            yield causes.wrong(f"{path}.readinessGates[{at}].conditionType", kind, problem)
    seen: set[str] = set()
    for at, gate in enumerate(spec.get("schedulingGates") or ()):
        name, here = gate.get("name") or "", f"{path}.schedulingGates[{at}]"
        for problem in names.qualified(name):
            yield causes.wrong(here, name, problem)
        if name in seen:
            yield causes.duplicate(here, name)
        seen.add(name)


def _namespaces(spec: Object, path: str) -> Iterator[Cause]:
    """What a pod with users of its own cannot share with the node."""
    if spec.get("hostUsers") is False:
        for field, shown in (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")):
            if spec.get(field):
                yield causes.forbidden(f"{path}.{shown}", "when `hostUsers` is false")


def _names(spec: Object, path: str) -> Iterator[Cause]:
    override = spec.get("hostnameOverride")
    if override is not None:
        for field in ("setHostnameAsFQDN", "hostNetwork"):
            if spec.get(field):
                yield causes.forbidden(f"{path}.hostnameOverride", f"may not be specified when {field} is true")
        if len(override) > 64:
            yield causes.too_long(f"{path}.hostnameOverride", 64)
        for problem in names.subdomain(override):
            yield causes.wrong(f"{path}.hostnameOverride", override, problem)
    yield from form(names.subdomain)(spec.get("serviceAccountName"), f"{path}.serviceAccountName")
    yield from form(names.subdomain)(spec.get("nodeName"), f"{path}.nodeName")
    yield from between(1, checks.INT32)(spec.get("activeDeadlineSeconds"), f"{path}.activeDeadlineSeconds")
    yield from form(names.label)(spec.get("hostname"), f"{path}.hostname")
    yield from form(names.label)(spec.get("subdomain"), f"{path}.subdomain")
    yield from scheduling.tolerations(spec.get("tolerations") or (), f"{path}.tolerations")
    for at, alias in enumerate(spec.get("hostAliases") or ()):
        here, address = f"{path}.hostAliases[{at}]", alias.get("ip") or ""
        for problem in names.ip(address):
            yield causes.wrong(f"{here}.ip", address, problem)
        for place, name in enumerate(alias.get("hostnames") or ()):
            for problem in names.subdomain(name):
                yield causes.wrong(f"{here}.hostnames[{place}]", name, problem)
    yield from form(names.subdomain)(spec.get("priorityClassName"), f"{path}.priorityClassName")
    if spec.get("runtimeClassName") is not None:
        for problem in names.subdomain(spec["runtimeClassName"]):
            yield causes.wrong(f"{path}.runtimeClassName", spec["runtimeClassName"], problem)
    if spec.get("preemptionPolicy") is not None:
        policies = needed_one_of("PreemptLowerPriority", "Never")
        yield from policies(spec["preemptionPolicy"], f"{path}.preemptionPolicy")
    if spec.get("overhead"):
        yield from resources.requirements({"limits": spec["overhead"]}, f"{path}.overhead", set())
    if spec.get("os") is not None:
        system = spec["os"].get("name") or ""
        yield from needed()(system, f"{path}.os.name")
        yield from checks.one_of("linux", "windows")(system, f"{path}.os")


def _files(spec: Object, path: str) -> Iterator[Cause]:
    """Variables that are read from files of an emptyDir."""
    volumes_by_name = {volume.get("name"): volume for volume in spec.get("volumes") or ()}
    for group in ("initContainers", "containers"):
        for at, container in enumerate(spec.get(group) or ()):
            for place, variable in enumerate(container.get("env") or ()):
                ref = (variable.get("valueFrom") or {}).get("fileKeyRef")
                if ref is None:
                    continue
                name, here = ref.get("volumeName") or "", f"{path}.{group}[{at}].env[{place}].valueFrom.fileKeyRef"
                if name not in volumes_by_name:
                    yield causes.missing(f"{here}.volumeName", name)
                elif volumes_by_name[name].get("emptyDir") is None:
                    yield causes.wrong(f"{here}.volumeName", name, "referenced volume must be of type emptyDir")


def _template(template: Object, path: str) -> Iterator[Cause]:
    metadata = template.get("metadata") or {}
    yield from checks.label_set(metadata.get("labels"), f"{path}.labels")
    yield from checks.annotations(metadata.get("annotations") or {}, f"{path}.annotations")
    if (template.get("spec") or {}).get("ephemeralContainers"):
        detail = "ephemeral containers not allowed in pod template"
        yield causes.forbidden(f"{path}.spec.ephemeralContainers", detail)


STRUCTS: Mapping[str, Callable[[Any, str], Iterator[Cause]]] = {
    "PodSpec": spec_problems,
    "PodTemplateSpec": _template,
}

KINDS: Mapping[str, Callable[[Object], Iterator[Cause]]] = {}
