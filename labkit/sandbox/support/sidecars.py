"""Istio's annotations of pods that the sandbox's proxies do not follow; the injector refuses values without sense."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from labkit.kube.resources import Object

_BOOTSTRAP = "a proxy starts with the sandbox's own bootstrap"
_LEVELS = "a proxy logs warnings; pilot-agent request POST 'logging?level=debug' sets the level of a running one"
_INTERFACES = "pods of the sandbox have no network interfaces of their own"
_STATS = "a proxy keeps all of its metrics"

ANNOTATIONS: Mapping[str, str] = {
    "sidecar.istio.io/bootstrapOverride": _BOOTSTRAP,
    "sidecar.istio.io/agentLogLevel": "a proxy has no agent beside it",
    "sidecar.istio.io/logLevel": _LEVELS,
    "sidecar.istio.io/componentLogLevel": _LEVELS,
    "sidecar.istio.io/extraStatTags": "metrics have Istio's standard labels",
    "sidecar.istio.io/statsInclusionPrefixes": _STATS,
    "sidecar.istio.io/statsInclusionRegexps": _STATS,
    "sidecar.istio.io/statsInclusionSuffixes": _STATS,
    "sidecar.istio.io/statsHistogramBuckets": "histograms have Envoy's buckets",
    "sidecar.istio.io/statsCompression": "metrics are sent as they are",
    "sidecar.istio.io/capNetBindService": "low ports are opened where this machine allows it",
    "traffic.sidecar.istio.io/excludeInterfaces": _INTERFACES,
    "traffic.sidecar.istio.io/kubevirtInterfaces": _INTERFACES,
    "istio.io/reroute-virtual-interfaces": _INTERFACES,
    "ambient.istio.io/bypass-inbound-capture": "the node's proxy takes every connection to a pod in ambient",
    "ambient.istio.io/dns-capture": "a pod in ambient always asks the cluster's DNS with ServiceEntries in it",
    "istio.io/dataplane-mode": "it is a label, of the pod or of its namespace",
}
"""Annotation → why it has no effect; a key that ends in a slash stands for every annotation below it."""

PODS = ("metadata", "spec.template.metadata", "spec.jobTemplate.spec.template.metadata")
"""Where the annotations of pods stand: on a pod, in what makes pods, in what makes Jobs."""

PROXY_CONFIG, MODE = "proxy.istio.io/config", "sidecar.istio.io/interceptionMode"
CARRIED_OUT = frozenset({"holdApplicationUntilProxyStarts", "image", "interceptionMode", "proxyMetadata"})
THREADS = 1
"""Worker threads of a proxy, whatever ``concurrency`` asks for."""

UNREAD: Mapping[str, str] = {"concurrency": "a proxy has one worker thread"}


def findings(obj: Object) -> Iterator[tuple[str, str]]:
    """(path, reason) of every annotation of a pod, or of a template of pods, that is not followed."""
    for path in PODS:
        metadata: Any = obj
        for key in path.split("."):
            metadata = metadata.get(key) if isinstance(metadata, dict) else None
        annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
        for name, value in (annotations or {}).items():
            for suffix, reason in _reasons(name, str(value)):
                yield f"{path}.annotations[{name}]{suffix}", reason


def _reasons(name: str, value: str) -> Iterator[tuple[str, str]]:
    if name == MODE and value == "TPROXY":
        yield "", "connections are taken as with REDIRECT; the app sees them come from its own pod"
    elif name == PROXY_CONFIG:
        yield from ((f".{field}", UNREAD.get(field, "a proxy does not read it")) for field in sorted(_fields(value)))
    for key, reason in ANNOTATIONS.items():
        if name == key or (key.endswith("/") and name.startswith(key)):
            yield "", reason


def _fields(text: str) -> set[str]:
    try:
        config = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return set()  # The injector refuses it.
    if not isinstance(config, dict):
        return set()
    return {str(field) for field, value in config.items() if (field, value) != ("concurrency", THREADS)} - CARRIED_OUT
