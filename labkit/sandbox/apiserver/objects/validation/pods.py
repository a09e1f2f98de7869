"""Rules for pods and their templates."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import quantities
from labkit.sandbox.apiserver.objects.validation import causes, checks, gonames, names
from labkit.sandbox.apiserver.objects.validation.causes import Cause
from labkit.sandbox.apiserver.objects.validation.checks import (
    between,
    each,
    form,
    needed,
    needed_one_of,
    not_negative,
    one_of,
    port,
)

HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_SYSCTL = r"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
_FIELD_PATHS = re.compile(
    r"^(metadata\.(name|namespace|uid|labels(\['.+'\])?|annotations(\['.+'\])?)"
    r"|spec\.(nodeName|serviceAccountName)|status\.(hostIP|hostIPs|podIP|podIPs|phase))$"
)
_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_RESTART = ("Always", "OnFailure", "Never")


def _sysctl(text: str) -> list[str]:
    is_fine = len(text) <= 253 and re.match(_SYSCTL, text)
    return [] if is_fine else [f"must have at most 253 characters and match regex {_SYSCTL}"]


def _no_dots_up(text: str) -> list[str]:
    return ["must not contain '..'"] if ".." in text.split("/") else []


def _undotted(text: str) -> list[str]:
    return ["must not contain dots"] if "." in text else names.label(text)


def _field_path(text: str) -> list[str]:
    if _FIELD_PATHS.match(text):
        return []
    return [f"error converting fieldPath: field label not supported: {text}"]


def _container_port(value: Any, path: str) -> Iterator[Cause]:
    if not value:
        yield causes.required(path)
    else:
        yield from checks.port_number(value, path)


def _volume_name(value: Any, path: str) -> Iterator[Cause]:
    yield from needed()(value, path)
    yield from form(names.label)(value, path)


_CONTAINER: Mapping[str, tuple[checks.Check, ...]] = {
    "name": (needed(), form(names.label)),
    "image": (needed(),),
    "imagePullPolicy": (one_of("Always", "IfNotPresent", "Never"),),
    "terminationMessagePolicy": (one_of("File", "FallbackToLogsOnError"),),
}

_PROBE_NUMBERS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")

FIELDS: Mapping[str, Mapping[str, tuple[checks.Check, ...]]] = {
    "PodSpec": {
        "containers": (needed(),),
        "restartPolicy": (one_of(*_RESTART),),
        "dnsPolicy": (one_of("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"),),
        "activeDeadlineSeconds": (between(1, checks.INT32),),
        "terminationGracePeriodSeconds": (not_negative,),
        "nodeSelector": (checks.label_set,),
        "hostname": (form(_undotted),),
        "subdomain": (form(names.label),),
        "serviceAccountName": (form(names.subdomain),),
        "nodeName": (form(names.subdomain),),
        "preemptionPolicy": (one_of("PreemptLowerPriority", "Never"),),
    },
    "Container": _CONTAINER,
    "EphemeralContainer": _CONTAINER,
    "ContainerPort": {
        "name": (form(names.port_name),),
        "containerPort": (_container_port,),
        "hostPort": (between(0, 65535),),
        "protocol": (one_of("SCTP", "TCP", "UDP"),),
    },
    "EnvVar": {"name": (needed(), form(names.env_name))},
    "ObjectFieldSelector": {"fieldPath": (needed(), form(_field_path))},
    "ConfigMapKeySelector": {"name": (needed(),), "key": (needed(), form(names.config_key))},
    "SecretKeySelector": {"name": (needed(),), "key": (needed(), form(names.config_key))},
    "ResourceFieldSelector": {"resource": (needed(),)},
    "VolumeMount": {"name": (needed(),), "mountPath": (needed(),)},
    "Volume": {"name": (_volume_name,)},
    "ConfigMapVolumeSource": {"name": (needed(),), "defaultMode": (between(0, 0o777),)},
    "SecretVolumeSource": {"secretName": (needed(),), "defaultMode": (between(0, 0o777),)},
    "HostPathVolumeSource": {"path": (needed(), form(_no_dots_up))},
    "PersistentVolumeClaimVolumeSource": {"claimName": (needed(),)},
    "Probe": dict.fromkeys(_PROBE_NUMBERS, (not_negative,)),
    "HTTPGetAction": {
        "path": (needed(),),
        "port": (port,),
        "scheme": (one_of("HTTP", "HTTPS"),),
    },
    "TCPSocketAction": {"port": (port,)},
    "ExecAction": {"command": (needed(),)},
    "Toleration": {"effect": (one_of("NoSchedule", "PreferNoSchedule", "NoExecute"),)},
    "Sysctl": {"name": (needed(), form(_sysctl))},
    "PodSecurityContext": {name: (between(0, checks.INT32),) for name in ("runAsUser", "runAsGroup", "fsGroup")}
    | {"supplementalGroups": (each(between(0, checks.INT32)),)},
    "HostAlias": {"ip": (form(names.ip),), "hostnames": (each(form(names.subdomain)),)},
    "TopologySpreadConstraint": {
        "maxSkew": (checks.at_least(1, "must be greater than zero"),),
        "topologyKey": (needed("can not be empty"),),
        "whenUnsatisfiable": (needed_one_of("DoNotSchedule", "ScheduleAnyway"),),
    },
}


def _spec(spec: Object, path: str) -> Iterator[Cause]:
    volumes = spec.get("volumes") or ()
    yield from _repeated([v.get("name") for v in volumes], f"{path}.volumes")
    known = {volume.get("name") for volume in volumes}
    containers, inits = spec.get("containers") or (), spec.get("initContainers") or ()
    taken = [c.get("name") for c in containers]
    yield from _repeated(taken, f"{path}.containers")
    yield from _repeated([c.get("name") for c in inits], f"{path}.initContainers", taken)
    for group, found in (("initContainers", inits), ("containers", containers)):
        for at, container in enumerate(found):
            here = f"{path}.{group}[{at}]"
            yield from _mounts(container, known, here)
            if spec.get("hostNetwork"):
                yield from _host_ports(container, here)
            if group == "initContainers" and container.get("restartPolicy") != "Always":
                yield from _plain_init(container, here)


def _repeated(found: Sequence[Any], path: str, taken: Sequence[Any] = ()) -> Iterator[Cause]:
    for at, name in enumerate(found):
        if name and (name in found[:at] or name in taken):
            yield causes.duplicate(f"{path}[{at}].name", name)


def _mounts(container: Object, volumes: set[Any], path: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for at, mount in enumerate(container.get("volumeMounts") or ()):
        here = f"{path}.volumeMounts[{at}]"
        if mount.get("name") and mount["name"] not in volumes:
            yield causes.missing(f"{here}.name", mount["name"])
        if mount.get("mountPath") in seen:
            yield causes.wrong(f"{here}.mountPath", mount["mountPath"], "must be unique")
        seen.add(mount.get("mountPath", ""))


def _host_ports(container: Object, path: str) -> Iterator[Cause]:
    for at, found in enumerate(container.get("ports") or ()):
        if found.get("hostPort") and found["hostPort"] != found.get("containerPort"):
            detail = "must match `containerPort` when `hostNetwork` is true"
            yield causes.wrong(f"{path}.ports[{at}].hostPort", found["hostPort"], detail)


def _plain_init(container: Object, path: str) -> Iterator[Cause]:
    for field in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(field) is not None:
            detail = "may not be set for init containers without restartPolicy=Always"
            yield causes.forbidden(f"{path}.{field}", detail)


def _env(env: Object, path: str) -> Iterator[Cause]:
    source = env.get("valueFrom")
    if source is None:
        return
    here = f"{path}.valueFrom"
    given = [name for name in _SOURCES if source.get(name) is not None]
    if not given:
        options = ", ".join(f"`{name}`" for name in _SOURCES[:-1])
        yield causes.wrong(here, "", f"must specify one of: {options} or `{_SOURCES[-1]}`")
    elif env.get("value"):
        yield causes.wrong(here, "", "may not be specified when `value` is not empty")
    elif len(given) > 1:
        yield causes.wrong(here, "", "may not have more than one field specified at a time")


def _volume(volume: Object, path: str) -> Iterator[Cause]:
    sources = [name for name in volume if name != "name"]
    for name in sources[1:]:
        yield causes.forbidden(f"{path}.{name}", "may not specify more than 1 volume type")


def _handler(value: Object, path: str) -> Iterator[Cause]:
    given = [name for name in HANDLERS if value.get(name) is not None]
    if not given:
        yield causes.required(path, "must specify a handler type")
    for name in given[1:]:
        yield causes.forbidden(f"{path}.{name}", "may not specify more than 1 handler type")


def _toleration(value: Object, path: str) -> Iterator[Cause]:
    operator = value.get("operator") or "Equal"
    yield from form(names.qualified)(value.get("key"), f"{path}.key")
    if operator == "Exists":
        if value.get("value"):
            detail = "value must be empty when `operator` is 'Exists'"
            yield causes.wrong(f"{path}.operator", value["value"], detail)
    elif operator == "Equal":
        yield from form(names.label_value)(value.get("value"), f"{path}.value")
    else:
        yield causes.unsupported(f"{path}.operator", operator, ("Equal", "Exists"))
    if value.get("tolerationSeconds") is not None and value.get("effect") != "NoExecute":
        detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        yield causes.wrong(f"{path}.effect", value.get("effect") or "", detail)


def _resources(value: Object, path: str) -> Iterator[Cause]:
    limits, requests = value.get("limits") or {}, value.get("requests") or {}
    for group, found in (("limits", limits), ("requests", requests)):
        for name, amount in sorted(found.items()):
            yield from checks.positive_quantity(amount, f"{path}.{group}[{name}]")
    for name, amount in sorted(requests.items()):
        limit = limits.get(name)
        if limit is not None and quantities.parse(amount).value > quantities.parse(limit).value:
            detail = f"must be less than or equal to {name} limit of {limit}"
            yield causes.wrong(f"{path}.requests", amount, detail)


def _security(value: Object, path: str) -> Iterator[Cause]:
    if value.get("allowPrivilegeEscalation") is False and value.get("privileged"):
        detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        yield causes.wrong(path, gonames.internal("SecurityContext", value), detail)


STRUCTS: Mapping[str, Callable[[Any, str], Iterator[Cause]]] = {
    "PodSpec": _spec,
    "EnvVar": _env,
    "Volume": _volume,
    "Probe": _handler,
    "LifecycleHandler": _handler,
    "Toleration": _toleration,
    "ResourceRequirements": _resources,
    "SecurityContext": _security,
}

KINDS: Mapping[str, Callable[[Object], Iterator[Cause]]] = {}
