"""What annotations of a pod say about its proxy, and what is wrong with them in Istio's words."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from labkit.kube import resources
from labkit.kube.resources import Object

TEMPLATES = (
    "waypoint", "agentgateway", "agentgateway-waypoint", "gateway", "grpc-agent", "grpc-simple", "kube-gateway",
    "sidecar",
)  # fmt: skip
_QUANTITY = r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
_RESOURCES = {
    ("requests", "cpu"): "sidecar.istio.io/proxyCPU",
    ("requests", "memory"): "sidecar.istio.io/proxyMemory",
    ("limits", "cpu"): "sidecar.istio.io/proxyCPULimit",
    ("limits", "memory"): "sidecar.istio.io/proxyMemoryLimit",
}
_PORTS = ("includeInboundPorts", "excludeInboundPorts", "includeOutboundPorts", "excludeOutboundPorts")
_TRAFFIC = "traffic.sidecar.istio.io/"
_YAML_WORDS = {
    "expected the node content": "did not find expected node content",
    "expected ',' or '}'": "did not find expected ',' or '}'",
    "expected ',' or ']'": "did not find expected ',' or ']'",
    "mapping values are not allowed here": "mapping values are not allowed in this context",
}
"""How two parsers of one family put the same thing."""

STATUS_PORT = "15020"


class InjectionError(ValueError):
    """A pod that must not be created as it is annotated."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One pod's, read and judged."""

    annotations: Mapping[str, str]
    proxy_config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_native(self) -> bool:
        """Whether the proxy is an init container that stays, as by default."""
        return self.annotations.get("sidecar.istio.io/nativeSidecar", "true") != "false"

    @property
    def holds_application(self) -> bool:
        """Whether the app waits for the proxy, where it does not by itself."""
        return bool(self.proxy_config.get("holdApplicationUntilProxyStarts")) and not self.is_native

    @property
    def rewrites_probes(self) -> bool:
        """Whether the kubelet's probes go through the agent."""
        return self.annotations.get("sidecar.istio.io/rewriteAppHTTPProbers", "true") != "false"

    def image(self, default: str) -> str:
        """The proxy's."""
        said = self.annotations.get("sidecar.istio.io/proxyImage")
        kind = self.annotations.get("sidecar.istio.io/proxyImageType", "default")
        return said or (default if kind == "default" else f"{default}-{kind}")

    def level(self, name: str, default: str) -> str:
        """A log level: ``logLevel``, ``componentLogLevel``, ``agentLogLevel``."""
        return self.annotations.get(f"sidecar.istio.io/{name}", default)

    def resources(self) -> Object:
        """Requests and limits: the default ones, or those of the annotations and nothing else."""
        found: dict[str, dict[str, str]] = {}
        for (kind, name), word in _RESOURCES.items():
            if word in self.annotations:
                found.setdefault(kind, {})[name] = self.annotations[word]
        return found or {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "128Mi"}}

    def capture(self) -> list[str]:
        """Arguments of ``istio-iptables`` that say which traffic is meant."""
        said = {name: self.annotations.get(f"{_TRAFFIC}{name}", "") for name in _PORTS}
        excluded = [p.strip() for p in said["excludeInboundPorts"].split(",") if p.strip()]
        if STATUS_PORT not in excluded:
            excluded.append(STATUS_PORT)
        found = [
            "-i", self.annotations.get(f"{_TRAFFIC}includeOutboundIPRanges", "*"),
            "-x", self.annotations.get(f"{_TRAFFIC}excludeOutboundIPRanges", ""),
            "-b", said["includeInboundPorts"] or "*",
            "-d", ",".join(["15090", "15021", *excluded]),
        ]  # fmt: skip
        for flag, name in (("-q", "includeOutboundPorts"), ("-o", "excludeOutboundPorts")):
            found += [flag, said[name]] if said[name] else []
        return found

    def parsed(self, name: str) -> list[Any]:
        """A JSON list: ``userVolume``, ``userVolumeMount``; volumes may also be a map by name."""
        found = json.loads(self.annotations.get(f"sidecar.istio.io/{name}") or "[]")
        return [{"name": key, **value} for key, value in found.items()] if isinstance(found, dict) else found


def of_pod(pod: Object) -> Settings:
    """Read a pod's annotations; InjectionError in Istio's words when one makes no sense."""
    annotations = resources.annotations_of(pod)
    for word in _RESOURCES.values():
        if word in annotations and not re.match(_QUANTITY, annotations[word]):
            raise _invalid(word, annotations[word], f"quantities must match the regular expression '{_QUANTITY}'")
    for name in _PORTS:
        _check_ports(name, annotations.get(f"{_TRAFFIC}{name}", ""))
    for template in filter(None, annotations.get("inject.istio.io/templates", "").split(",")):
        if template not in TEMPLATES:
            have = ", ".join(TEMPLATES)
            raise InjectionError(
                f'failed to run injection template: requested template "{template}" not found; have {have}'
            )
        if template != "sidecar":
            raise InjectionError(f"failed to run injection template: the sandbox has no template {template}")
    return Settings(annotations=annotations, proxy_config=_proxy_config(annotations.get("proxy.istio.io/config", "")))


def _proxy_config(text: str) -> Mapping[str, Any]:
    try:
        found = yaml.safe_load(text) or {}
    except yaml.MarkedYAMLError as e:
        line = (e.problem_mark.line if e.problem_mark else 0) + 1
        problem = next((ours for theirs, ours in _YAML_WORDS.items() if theirs in (e.problem or "")), e.problem)
        text_of = f"failed to convert to apply proxy config: yaml: line {line}: {problem}"
        raise _invalid("proxy.istio.io/config", text, text_of) from e
    if not isinstance(found, dict):
        raise _invalid("proxy.istio.io/config", text, "failed to convert to apply proxy config: not a map")
    return found


def _check_ports(name: str, said: str) -> None:
    for port in filter(None, (p.strip() for p in said.split(","))):
        if port != "*" and not (port.isdigit() and int(port) <= 65535):
            kind = "value out of range" if port.isdigit() else "invalid syntax"
            problem = f"failed parsing port '{port}'"
            parse = f'strconv.ParseUint: parsing "{port}": {kind}'
            raise _invalid(f"{_TRAFFIC}{name}", said, f"{name} invalid: {problem}: {problem}: {parse}")


def _invalid(annotation: str, value: str, problem: str) -> InjectionError:
    text = f"invalid value '{value}' for annotation '{annotation}': {problem}"
    return InjectionError(f"failed to run injection template: 1 error occurred:\n\t* {text}\n\n")
