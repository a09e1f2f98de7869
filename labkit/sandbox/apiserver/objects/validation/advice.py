"""Warnings: what is allowed but unwise."""

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.schemas import Schema
from labkit.sandbox.apiserver.objects.validation import names

_DEPRECATED = {"/Endpoints": "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"}

_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
    "seccomp.security.alpha.kubernetes.io/pod": 'non-functional in v1.27+; use the "seccompProfile" field instead',
}
"""Annotations of pods that mean nothing any more."""


def texts(schema: Schema, new: Object, old: Object | None) -> Iterator[str]:
    """The texts, in the server's order; an update that keeps a pod's shape does not repeat them."""
    key = f"{schema.group}/{schema.kind}"
    if key in _DEPRECATED:
        yield _DEPRECATED[key]
    if rule := _RULES.get(key):
        yield from rule(new, old)


def _pod(pod: Object, old: Object | None) -> Iterator[str]:
    if old is not None:
        return
    name = pod["metadata"].get("name") or ""
    if "." in name:
        yield (
            "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior;"
            " a DNS label is recommended: [must not contain dots]"
        )
    yield from _template(pod, "")


def _workload(workload: Object, old: Object | None) -> Iterator[str]:
    if old is None or old["spec"].get("template") != workload["spec"].get("template"):
        yield from _template(workload["spec"].get("template") or {}, "spec.template.")


def _template(template: Object, path: str) -> Iterator[str]:
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    spec = template.get("spec") or {}
    yield from _unselective(spec, f"{path}spec.")
    yield from _overlaps(spec.get("volumes") or ())
    secrets: set[str] = set()
    for at, secret in enumerate(spec.get("imagePullSecrets") or ()):
        name = secret.get("name") or ""
        if not name:
            yield f'{path}spec.imagePullSecrets[{at}].name: invalid empty name ""'
        elif name in secrets:
            yield f'{path}spec.imagePullSecrets[{at}].name: duplicate name "{name}"'
        secrets.add(name)
    for key, text in _ANNOTATIONS.items():
        if key in annotations:
            yield f"{path}metadata.annotations[{key}]: {text}"
    for group in ("initContainers", "containers"):
        for at, container in enumerate(spec.get(group) or ()):
            yield from _container(container, f"{path}spec.{group}[{at}]")


def _overlaps(volumes: Iterable[Object]) -> Iterator[str]:
    """Files of a volume of which one would lie in the other, or where the other lies."""
    for volume in volumes:
        name = f'volume "{volume.get("name")}"'
        files: list[tuple[str, str]] = []
        if source := volume.get("configMap"):
            title, files = f'{name} (ConfigMap "{source.get("name", "")}")', _files(source)
        elif source := volume.get("secret"):
            title, files = f'{name} (Secret "{source.get("secretName", "")}")', _files(source)
        elif source := volume.get("downwardAPI"):
            title, files = f"{name} (DownwardAPI)", _files(source)
        else:
            title = f"{name} (Projected)"
            for one in (volume.get("projected") or {}).get("sources") or ():
                files += _files_of_projected(one)
        for at, (path, owner) in enumerate(files):
            for other, other_owner in files[:at]:
                if f"{path}/".startswith(f"{other}/") or f"{other}/".startswith(f"{path}/"):
                    yield f'{title}: overlapping paths: "{path}"{owner} with "{other}"{other_owner}'


def _files(source: Object, owner: str = "") -> list[tuple[str, str]]:
    return [(item.get("path", ""), owner) for item in source.get("items") or ()]


def _files_of_projected(source: Object) -> list[tuple[str, str]]:
    if token := source.get("serviceAccountToken"):
        return [(token.get("path", ""), " (ServiceAccountToken)")]
    for key, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
        if of := source.get(key):
            return _files(of, f' ({kind} "{of.get("name", "")}")')
    return _files(source.get("downwardAPI") or {}, " (DownwardAPI)")


def _container(container: Object, path: str) -> Iterator[str]:
    seen: set[str] = set()
    for at, env in enumerate(container.get("env") or ()):
        if env.get("name") in seen:
            yield (
                f'{path}.env[{at}]: hides previous definition of "{env["name"]}", which may be dropped when using apply'
            )
        seen.add(env.get("name", ""))
    ports: dict[Any, int] = {}
    for at, port in enumerate(container.get("ports") or ()):
        identity = (port.get("containerPort"), port.get("protocol"), port.get("hostPort"), port.get("hostIP"))
        if identity in ports:
            yield f"{path}.ports[{at}]: duplicate port definition with {path}.ports[{ports[identity]}]"
        ports.setdefault(identity, at)


def _service(service: Object, old: Object | None) -> Iterator[str]:
    spec = service["spec"]
    if spec.get("clusterIP") == "None":
        if spec.get("loadBalancerIP"):
            yield "spec.loadBalancerIP is ignored for headless services"
        if spec.get("externalIPs"):
            yield "spec.externalIPs is ignored for headless services"
        if spec.get("sessionAffinity") not in (None, "None"):
            yield "spec.SessionAffinity is ignored for headless services"


def _pod_template(template: Object, old: Object | None) -> Iterator[str]:
    if old is None or old.get("template") != template.get("template"):
        yield from _template(template.get("template") or {}, "template.")


def _unselective(spec: Object, path: str) -> Iterator[str]:
    """Terms about other pods that select none."""
    text = "a null labelSelector results in matching no pod"
    for at, constraint in enumerate(spec.get("topologySpreadConstraints") or ()):
        if constraint.get("labelSelector") is None:
            yield f"{path}topologySpreadConstraints[{at}].labelSelector: {text}"
    for kind in ("podAffinity", "podAntiAffinity"):
        affinity = (spec.get("affinity") or {}).get(kind) or {}
        for at, term in enumerate(affinity.get(_REQUIRED) or ()):
            if term.get("labelSelector") is None:
                yield f"{path}affinity.{kind}.{_REQUIRED}[{at}].labelSelector: {text}"
        for at, weighted in enumerate(affinity.get(_PREFERRED) or ()):
            if (weighted.get("podAffinityTerm") or {}).get("labelSelector") is None:
                yield f"{path}affinity.{kind}.{_PREFERRED}[{at}].podAffinityTerm.labelSelector: {text}"


_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def _named_like_pods(limit: names.Form) -> Callable[[Object, Object | None], Iterator[str]]:
    def rule(workload: Object, old: Object | None) -> Iterator[str]:
        if old is None and limit(workload["metadata"].get("name") or "") and "." in workload["metadata"]["name"]:
            yield (
                "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior;"
                " a DNS label is recommended: [must not contain dots]"
            )
        yield from _workload(workload, old)

    return rule


def _secret(secret: Object, old: Object | None) -> Iterator[str]:
    if secret.get("type") == "kubernetes.io/tls" and secret.get("data"):
        certificate = secret["data"].get("tls.crt") or ""
        if b"-----BEGIN" not in base64.b64decode(certificate):
            yield "tls: failed to find any PEM data in certificate input"


_RULES: Mapping[str, Callable[[Object, Object | None], Iterator[str]]] = {
    "/Pod": _pod,
    "/Secret": _secret,
    "/Service": _service,
    "apps/Deployment": _named_like_pods(names.label),
    "apps/ReplicaSet": _named_like_pods(names.label),
    "apps/StatefulSet": _named_like_pods(names.label),
    "apps/DaemonSet": _workload,
    "batch/Job": _named_like_pods(names.label),
    "/ReplicationController": _named_like_pods(names.label),
    "/PodTemplate": _pod_template,
}
