"""Rules for containers of every sort, in the order in which a real server applies them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.validation import (
    causes,
    checks,
    fieldpaths,
    names,
    resources,
    security,
    volumes,
)
from labkit.sandbox.apiserver.objects.validation.causes import Cause
from labkit.sandbox.apiserver.objects.validation.checks import form, needed, needed_one_of, not_negative

_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_PROBE_NUMBERS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_PROBE_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_LIFECYCLE_HANDLERS = ("exec", "httpGet", "tcpSocket", "sleep")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_RESTARTS = ("Always", "Never", "OnFailure")
_NOT_FOR_EPHEMERAL = (
    *("ports", "resources", "resizePolicy", "restartPolicy", "restartPolicyRules"),
    *_PROBES,
    "lifecycle",
)


@dataclass(frozen=True, kw_only=True)
class Pod:
    """What the rules of a container need to know of its pod."""

    volumes: Mapping[str, Object]
    """Valid ones, by name."""

    claims: set[str]
    """Names of its resource claims."""

    grace: int | None
    """``terminationGracePeriodSeconds``."""

    restart: str
    """``restartPolicy``."""

    system: str
    """``os.name``."""

    is_host_user: bool
    """Whether it shares the user namespace of the node."""


def regular(containers: Sequence[Object], pod: Pod, path: str) -> Iterator[Cause]:
    """The list of ordinary containers."""
    if not containers:
        yield causes.required(path)
    seen: set[str] = set()
    for at, container in enumerate(containers):
        here, name = f"{path}[{at}]", container.get("name") or ""
        yield from _common(container, pod, here)
        if name in seen:
            yield causes.duplicate(f"{here}.name", name)
        seen.add(name)
        yield from _life(container, pod, here)
        yield from _restart(container, here)
    yield from _host_ports(containers, path)


def init(containers: Sequence[Object], others: Sequence[Object], pod: Pod, path: str) -> Iterator[Cause]:
    """The list of init containers; only those that restart always have a life of their own."""
    seen = {container.get("name") or "" for container in others}
    for at, container in enumerate(containers):
        here, name = f"{path}[{at}]", container.get("name") or ""
        yield from _common(container, pod, here)
        yield from _restart(container, here)
        if name in seen:
            yield causes.duplicate(f"{here}.name", name)
        elif name:
            seen.add(name)
        yield from _host_ports([container], path)
        if container.get("restartPolicy") == "Always":
            yield from _life(container, pod, here)
            continue
        for field in ("lifecycle", *_PROBES):
            if container.get(field) is not None:
                detail = "may not be set for init containers without restartPolicy=Always"
                yield causes.forbidden(f"{here}.{field}", detail)
        for place, policy in enumerate(container.get("resizePolicy") or ()):
            if policy.get("restartPolicy") == "RestartContainer":
                detail = "must not be set to 'RestartContainer' for non-sidecar initContainers"
                yield causes.wrong(f"{here}.resizePolicy[{place}].restartPolicy", "RestartContainer", detail)


def ephemeral(containers: Sequence[Object], others: Sequence[Object], pod: Pod, path: str) -> Iterator[Cause]:
    """The list of ephemeral containers."""
    targets = {container.get("name") or "" for container in others}
    seen = set(targets)
    for at, container in enumerate(containers):
        here, name = f"{path}[{at}]", container.get("name") or ""
        yield from _common(container, pod, here)
        yield from trimmed_image(container, here)
        if name in seen:
            yield causes.duplicate(f"{here}.name", name)
        seen.add(name)
        target = container.get("targetContainerName")
        if target and target not in targets:
            yield causes.missing(f"{here}.targetContainerName", target)
        for field in _NOT_FOR_EPHEMERAL:
            if container.get(field) not in (None, {}, []):
                yield causes.forbidden(f"{here}.{field}", "cannot be set for an Ephemeral Container")
        for place, mount in enumerate(container.get("volumeMounts") or ()):
            for field in ("subPath", "subPathExpr"):
                if mount.get(field):
                    detail = "cannot be set for an Ephemeral Container"
                    yield causes.forbidden(f"{here}.volumeMounts[{place}].{field}", detail)


def trimmed_image(container: Object, path: str) -> Iterator[Cause]:
    """A pod's image has no blanks around it; a template's may."""
    image = container.get("image") or ""
    if image != image.strip():
        yield causes.wrong(f"{path}.image", image, "must not have leading or trailing whitespace")


def _common(container: Object, pod: Pod, path: str) -> Iterator[Cause]:
    yield from needed()(container.get("name"), f"{path}.name")
    yield from form(names.label)(container.get("name"), f"{path}.name")
    yield from needed()(container.get("image"), f"{path}.image")
    policies = needed_one_of("File", "FallbackToLogsOnError")
    yield from policies(container.get("terminationMessagePolicy"), f"{path}.terminationMessagePolicy")
    yield from _ports(container.get("ports") or (), f"{path}.ports")
    yield from _variables(container.get("env") or (), f"{path}.env")
    yield from _whole_sources(container.get("envFrom") or (), f"{path}.envFrom")
    yield from _mounts(container, pod, f"{path}.volumeMounts")
    yield from _devices(container, pod, f"{path}.volumeDevices")
    pulls = needed_one_of("Always", "IfNotPresent", "Never")
    yield from pulls(container.get("imagePullPolicy"), f"{path}.imagePullPolicy")
    yield from resources.requirements(container.get("resources") or {}, f"{path}.resources", pod.claims)
    yield from _resizing(container.get("resizePolicy") or (), pod, f"{path}.resizePolicy")
    yield from security.of_container(
        container.get("securityContext"), f"{path}.securityContext", is_host_user=pod.is_host_user
    )


def _ports(ports: Sequence[Object], path: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for at, port in enumerate(ports):
        here, name = f"{path}[{at}]", port.get("name") or ""
        complaints = names.port_name(name) if name else []
        for problem in complaints:
            yield causes.wrong(f"{here}.name", name, problem)
        if name and not complaints:
            if name in seen:
                yield causes.duplicate(f"{here}.name", name)
            seen.add(name)
        if not port.get("containerPort"):
            yield causes.required(f"{here}.containerPort")
        else:
            yield from checks.port_number(port["containerPort"], f"{here}.containerPort")
        if port.get("hostPort"):
            yield from checks.port_number(port["hostPort"], f"{here}.hostPort")
        yield from needed_one_of("SCTP", "TCP", "UDP")(port.get("protocol"), f"{here}.protocol")


def _host_ports(containers: Sequence[Object], path: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for at, container in enumerate(containers):
        for place, port in enumerate(container.get("ports") or ()):
            if port.get("hostPort"):
                text = f"{port.get('protocol') or ''}/{port.get('hostIP') or ''}/{port['hostPort']}"
                if text in seen:
                    yield causes.duplicate(f"{path}[{at}].ports[{place}].hostPort", text)
                seen.add(text)


def _variables(variables: Sequence[Object], path: str) -> Iterator[Cause]:
    for at, variable in enumerate(variables):
        here = f"{path}[{at}]"
        yield from needed()(variable.get("name"), f"{here}.name")
        yield from form(names.env_name)(variable.get("name"), f"{here}.name")
        if variable.get("valueFrom") is not None:
            yield from _value_from(variable, f"{here}.valueFrom")


def _value_from(variable: Object, path: str) -> Iterator[Cause]:
    source = variable["valueFrom"]
    given = [name for name in _SOURCES if source.get(name) is not None]
    for name in given:
        yield from _SOURCE_RULES[name](source[name], f"{path}.{name}")
    if not given:
        options = ", ".join(f"`{name}`" for name in _SOURCES[:-1])
        yield causes.wrong(path, "", f"must specify one of: {options} or `{_SOURCES[-1]}`")
    elif variable.get("value"):
        yield causes.wrong(path, "", "may not be specified when `value` is not empty")
    elif len(given) > 1:
        yield causes.wrong(path, "", "may not have more than one field specified at a time")


def _field(ref: Object, path: str) -> Iterator[Cause]:
    yield from fieldpaths.field(ref, path, fieldpaths.IN_VARIABLES)


def _resource(ref: Object, path: str) -> Iterator[Cause]:
    yield from fieldpaths.resource(ref, path, needs_container=False)


def _key(ref: Object, path: str) -> Iterator[Cause]:
    name = ref.get("name") or ""
    for problem in names.subdomain(name):
        yield causes.wrong(f"{path}.name", name, problem)
    yield from needed()(ref.get("key"), f"{path}.key")
    yield from form(names.config_key)(ref.get("key"), f"{path}.key")


def _file_key(ref: Object, path: str) -> Iterator[Cause]:
    yield from needed()(ref.get("key"), f"{path}.key")
    yield from form(names.env_name)(ref.get("key"), f"{path}.key")
    yield from needed()(ref.get("volumeName"), f"{path}.volumeName")
    yield from form(names.label)(ref.get("volumeName"), f"{path}.volumeName")
    yield from needed()(ref.get("path"), f"{path}.path")
    yield from volumes.without_dots(ref.get("path") or "", f"{path}.path")


_SOURCE_RULES = {
    "fieldRef": _field,
    "resourceFieldRef": _resource,
    "configMapKeyRef": _key,
    "secretKeyRef": _key,
    "fileKeyRef": _file_key,
}


def _whole_sources(sources: Sequence[Object], path: str) -> Iterator[Cause]:
    for at, source in enumerate(sources):
        here = f"{path}[{at}]"
        yield from form(names.env_name)(source.get("prefix"), f"{here}.prefix")
        given = [name for name in ("configMapRef", "secretRef") if source.get(name) is not None]
        for name in given:
            yield from needed()(source[name].get("name"), f"{here}.{name}.name")
            yield from form(names.subdomain)(source[name].get("name"), f"{here}.{name}.name")
        # The list itself is named, not the item: as a real server.
        if not given:
            yield causes.wrong(path, "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(given) > 1:
            yield causes.wrong(path, "", "may not have more than one field specified at a time")


def _mounts(container: Object, pod: Pod, path: str) -> Iterator[Cause]:
    seen: set[str] = set()
    devices = {d.get("name") or "": d.get("devicePath") or "" for d in container.get("volumeDevices") or ()}
    for at, mount in enumerate(container.get("volumeMounts") or ()):
        here, name, target = f"{path}[{at}]", mount.get("name") or "", mount.get("mountPath") or ""
        yield from needed()(name, f"{here}.name")
        if name not in pod.volumes:
            yield causes.missing(f"{here}.name", name)
        yield from needed()(target, f"{here}.mountPath")
        if target in seen:
            yield causes.wrong(f"{here}.mountPath", target, "must be unique")
        seen.add(target)
        if name in devices:
            yield causes.wrong(f"{here}.name", name, "must not already exist in volumeDevices")
        if target in devices.values():
            detail = "must not already exist as a path in volumeDevices"
            yield causes.wrong(f"{here}.mountPath", target, detail)
        # What follows names the list, not the item: as a real server.
        if mount.get("subPath"):
            yield from volumes.relative(mount["subPath"], f"{path}.subPath")
        if mount.get("subPathExpr"):
            if mount.get("subPath"):
                detail = "subPathExpr and subPath are mutually exclusive"
                yield causes.wrong(f"{here}.subPathExpr", mount["subPathExpr"], detail)
            yield from volumes.relative(mount["subPathExpr"], f"{path}.subPathExpr")
        yield from _propagation(mount.get("mountPropagation"), container, f"{path}.mountPropagation")
        yield from _recursion(mount, f"{path}.recursiveReadOnly")


def _propagation(value: Any, container: Object, path: str) -> Iterator[Cause]:
    supported = ("Bidirectional", "HostToContainer", "None")
    if value is not None and value not in supported:
        yield causes.unsupported(path, value, supported)
    if value == "Bidirectional" and not (container.get("securityContext") or {}).get("privileged"):
        detail = "Bidirectional mount propagation is available only to privileged containers"
        yield causes.forbidden(path, detail)


def _recursion(mount: Object, path: str) -> Iterator[Cause]:
    value = mount.get("recursiveReadOnly")
    if value in ("Enabled", "IfPossible"):
        if not mount.get("readOnly"):
            yield causes.forbidden(path, "may only be specified when readOnly is true")
        if mount.get("mountPropagation") not in (None, "None"):
            detail = "may only be specified when mountPropagation is None or not specified"
            yield causes.forbidden(path, detail)
    elif value not in (None, "Disabled"):
        yield causes.unsupported(path, value, ("Disabled", "Enabled", "IfPossible"))


def _devices(container: Object, pod: Pod, path: str) -> Iterator[Cause]:
    mounts = {m.get("name") or "": m.get("mountPath") or "" for m in container.get("volumeMounts") or ()}
    seen_names: set[str] = set()
    seen_paths: set[str] = set()
    for at, device in enumerate(container.get("volumeDevices") or ()):
        here, name, target = f"{path}[{at}]", device.get("name") or "", device.get("devicePath") or ""
        yield from needed()(name, f"{here}.name")
        if name in seen_names:
            yield causes.wrong(f"{here}.name", name, "must be unique")
        source = pod.volumes.get(name)
        if source is None:
            yield causes.missing(f"{here}.name", name)
        elif not {"persistentVolumeClaim", "ephemeral"} & set(source):
            detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            yield causes.wrong(f"{here}.name", name, detail)
        yield from needed()(target, f"{here}.devicePath")
        if target in seen_paths:
            yield causes.wrong(f"{here}.devicePath", target, "must be unique")
        if ".." in target.split("/"):
            yield causes.wrong(f"{here}.devicePath", target, "can not contain backsteps ('..')")
        else:
            seen_paths.add(target)
        if name in mounts:
            yield causes.wrong(f"{here}.name", name, "must not already exist in volumeMounts")
        if target in mounts.values():
            detail = "must not already exist as a path in volumeMounts"
            yield causes.wrong(f"{here}.devicePath", target, detail)
        if name:
            seen_names.add(name)


def _resizing(policies: Sequence[Object], pod: Pod, path: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for at, policy in enumerate(policies):
        name, restart = policy.get("resourceName") or "", policy.get("restartPolicy") or ""
        if name in seen:
            yield causes.duplicate(f"{path}[{at}]", name)
        seen.add(name)
        yield from needed_one_of("cpu", "memory")(name, path)
        yield from needed_one_of("NotRequired", "RestartContainer")(restart, path)
        if pod.restart == "Never" and restart != "NotRequired":
            yield causes.wrong(path, restart, "must be 'NotRequired' when pod `restartPolicy` is 'Never'")


def _restart(container: Object, path: str) -> Iterator[Cause]:
    policy, rules = container.get("restartPolicy"), container.get("restartPolicyRules") or ()
    if policy is None and rules:
        yield causes.required(f"{path}.restartPolicy", "must specify restartPolicy when restart rules are used")
    elif policy is not None and policy not in _RESTARTS:
        yield causes.unsupported(f"{path}.restartPolicy", policy, _RESTARTS)
    for at, rule in enumerate(rules):
        here, codes = f"{path}.restartPolicyRules[{at}]", rule.get("exitCodes")
        if rule.get("action") not in ("Restart", "RestartAllContainers"):
            yield causes.unsupported(f"{here}.action", rule.get("action") or "", ("Restart", "RestartAllContainers"))
        if codes is None:
            yield causes.required(f"{here}.exitCodes", "must be specified")
        elif codes.get("operator") not in ("In", "NotIn"):
            yield causes.unsupported(f"{here}.exitCodes.operator", codes.get("operator") or "", ("In", "NotIn"))


def _life(container: Object, pod: Pod, path: str) -> Iterator[Cause]:
    """Hooks and probes."""
    lifecycle = container.get("lifecycle") or {}
    for name in ("postStart", "preStop"):
        if lifecycle.get(name) is not None:
            yield from _handler(lifecycle[name], _LIFECYCLE_HANDLERS, pod, f"{path}.lifecycle.{name}")
    for name in _PROBES:
        if container.get(name) is not None:
            yield from _probe(container[name], pod, f"{path}.{name}", is_readiness=name == "readinessProbe")


def _probe(probe: Object, pod: Pod, path: str, *, is_readiness: bool) -> Iterator[Cause]:
    yield from _handler(probe, _PROBE_HANDLERS, pod, path)
    for name in _PROBE_NUMBERS:
        yield from not_negative(probe.get(name), f"{path}.{name}")
    grace, successes = probe.get("terminationGracePeriodSeconds"), probe.get("successThreshold")
    if grace is not None and grace <= 0:
        yield causes.wrong(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than 0")
    if is_readiness and grace is not None:
        detail = "must not be set for readinessProbes"
        yield causes.wrong(f"{path}.terminationGracePeriodSeconds", grace, detail)
    if not is_readiness and successes != 1:
        yield causes.wrong(f"{path}.successThreshold", successes, "must be 1")


def _handler(value: Object, handlers: tuple[str, ...], pod: Pod, path: str) -> Iterator[Cause]:
    given = [name for name in handlers if value.get(name) is not None]
    if not given:
        yield causes.required(path, "must specify a handler type")
        return
    name = given[0]
    here, action = f"{path}.{name}", value[name]
    if name == "exec":
        yield from needed()(action.get("command"), f"{here}.command")
    elif name == "httpGet":
        yield from _http(action, here)
    elif name == "sleep":
        seconds = action.get("seconds") or 0
        if pod.grace is not None and not 0 <= seconds <= pod.grace:
            detail = f"must be non-negative and less than terminationGracePeriodSeconds ({pod.grace})"
            yield causes.wrong(here, seconds, detail)
    else:
        yield from checks.port(action.get("port"), f"{here}.port")
    for extra in given[1:]:
        yield causes.forbidden(f"{path}.{extra}", "may not specify more than 1 handler type")


def _http(action: Object, path: str) -> Iterator[Cause]:
    yield from needed()(action.get("path"), f"{path}.path")
    yield from checks.port(action.get("port"), f"{path}.port")
    yield from checks.one_of("HTTP", "HTTPS", optional=False)(action.get("scheme"), f"{path}.scheme")
    for header in action.get("httpHeaders") or ():
        name = header.get("name") or ""
        for problem in names.header(name):
            yield causes.wrong(f"{path}.httpHeaders", name, problem)
