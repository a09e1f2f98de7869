"""What the annotations of a pod say about its proxy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import model, revisions
from labkit.mesh.injection import annotations, proxyconfig, uservolumes
from labkit.mesh.injection.annotations import READINESS, TRAFFIC
from labkit.mesh.validation.findings import listed, sentence

TEMPLATES = (
    "waypoint", "agentgateway", "agentgateway-waypoint", "gateway", "grpc-agent", "grpc-simple", "kube-gateway",
    "sidecar",
)  # fmt: skip
STATUS_PORT = "15020"
DEFAULT_RESOURCES = {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "128Mi"}}
_FAILED = "failed to run injection template: "


class InjectionError(ValueError):
    """A pod that must not be created as it is annotated."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One pod's, read and judged."""

    annotations: Mapping[str, str]
    proxy_config: Mapping[str, Any] = field(default_factory=dict)
    mesh_metadata: Mapping[str, str] = field(default_factory=dict)
    """``defaultConfig.proxyMetadata`` of the mesh configuration."""

    trust_domain: str = model.TRUST_DOMAIN
    revision: revisions.Revision = revisions.Revision()  # noqa: RUF009, a frozen record

    @property
    def is_native(self) -> bool:
        """Whether the proxy is an init container that stays, as by default."""
        return self._flag("sidecar.istio.io/nativeSidecar")

    @property
    def holds_application(self) -> bool:
        """Whether the app waits for the proxy, where it does not by itself."""
        return bool(self.proxy_config.get("holdApplicationUntilProxyStarts")) and not self.is_native

    @property
    def rewrites_probes(self) -> bool:
        """Whether the kubelet's probes go through the agent."""
        return self._flag("sidecar.istio.io/rewriteAppHTTPProbers")

    @property
    def merges_metrics(self) -> bool:
        """Whether Prometheus is told to ask the agent, which has the app's metrics too."""
        return self._flag(annotations.MERGE_METRICS) and self.annotations.get("prometheus.io/scrape") != "false"

    def _flag(self, name: str) -> bool:
        """What an annotation says; a word that is no boolean leaves the default, which is yes."""
        return annotations.boolean(self.annotations.get(name, "true")) is not False

    @property
    def mode(self) -> str:
        """How connections are captured: REDIRECT, TPROXY or NONE."""
        return self.annotations.get(annotations.MODE) or self.proxy_config.get("interceptionMode") or "REDIRECT"

    @property
    def binds_low_ports(self) -> bool:
        """Whether the proxy may listen on ports below 1024."""
        return self.annotations.get("sidecar.istio.io/capNetBindService") == "true"

    @property
    def bootstrap_override(self) -> str:
        """The ConfigMap with a bootstrap of the pod's own."""
        return self.annotations.get("sidecar.istio.io/bootstrapOverride", "")

    @property
    def metadata(self) -> Mapping[str, str]:
        """Variables that a proxy's configuration gives its containers: the mesh's, and over them the pod's own."""
        return {**self.mesh_metadata, **(self.proxy_config.get("proxyMetadata") or {})}

    def image(self, default: str) -> str:
        """The proxy's."""
        default = self.revision.image or default
        image = self.annotations.get("sidecar.istio.io/proxyImage")
        kind = self.annotations.get("sidecar.istio.io/proxyImageType")
        kind = kind or (self.proxy_config.get("image") or {}).get("imageType") or "default"
        return image or (default if kind == "default" else f"{default}-{kind}")

    def level(self, name: str, default: str) -> str:
        """A log level: ``logLevel``, ``componentLogLevel``, ``agentLogLevel``."""
        return self.annotations.get(f"sidecar.istio.io/{name}", default)

    def resources(self) -> Object:
        """Requests and limits: the default ones, or those of the annotations and nothing else."""
        own: dict[str, dict[str, str]] = {}
        for (kind, name), word in annotations.PROXY_RESOURCES.items():
            if word in self.annotations:
                own.setdefault(kind, {})[name] = self.annotations[word]
        return own or {kind: dict(values) for kind, values in DEFAULT_RESOURCES.items()}

    def readiness(self) -> Object | None:
        """How the kubelet asks whether the proxy is ready; None where status port 0 switches that off."""
        if self.annotations.get(annotations.STATUS_PORT, STATUS_PORT) == "0":
            return None
        delay, period, failures = (
            int(self.annotations.get(f"{READINESS}{name}", default))
            for name, default in (("initialDelaySeconds", 0), ("periodSeconds", 15), ("failureThreshold", 4))
        )
        return {
            **({"initialDelaySeconds": delay} if delay else {}),
            "periodSeconds": period,
            "failureThreshold": failures,
        }

    def capture(self) -> list[str]:
        """Arguments of ``istio-iptables`` that say which traffic is meant."""
        excluded = [p.strip() for p in self._traffic("excludeInboundPorts").split(",") if p.strip()]
        status = self.annotations.get(annotations.STATUS_PORT, STATUS_PORT).strip()
        if status not in ("", "0", *excluded):
            excluded.append(status)
        arguments = [
            "-i", self._traffic("includeOutboundIPRanges", "*"),
            "-x", self._traffic("excludeOutboundIPRanges"),
            "-b", self._traffic("includeInboundPorts", "*"),
            "-d", ",".join(["15090", "15021", *excluded]),
        ]  # fmt: skip
        for flag, name in (("-q", "includeOutboundPorts"), ("-o", "excludeOutboundPorts")):
            arguments += [flag, self._traffic(name)] if self._traffic(name) else []
        for flag, name in (("-k", f"{TRAFFIC}kubevirtInterfaces"), ("-c", f"{TRAFFIC}excludeInterfaces")):
            arguments += [flag, self.annotations[name]] if name in self.annotations else []
        return arguments

    def _traffic(self, name: str, default: str = "") -> str:
        return self.annotations.get(f"{TRAFFIC}{name}", default)

    @property
    def volumes(self) -> list[Object]:
        """Volumes of the pod's own for its proxy."""
        return uservolumes.read(self.annotations.get(annotations.USER_VOLUME, ""))

    @property
    def mounts(self) -> list[Object]:
        """Where they are mounted."""
        return uservolumes.read(self.annotations.get(annotations.USER_MOUNT, ""))


def of_pod(pod: Object, mesh: Mapping[str, Any], revision: revisions.Revision) -> Settings:
    """Read a pod's annotations; InjectionError in Istio's words when one makes no sense."""
    given = resources.annotations_of(pod)
    if problem := sentence(map(listed, annotations.problems(given))):
        raise InjectionError(f"{_FAILED}{problem}")
    for template in filter(None, given.get("inject.istio.io/templates", "").split(",")):
        if template not in TEMPLATES:
            raise InjectionError(f'{_FAILED}requested template "{template}" not found; have {", ".join(TEMPLATES)}')
        if template != "sidecar":
            raise InjectionError(f"{_FAILED}the sandbox has no template {template}")
    return Settings(
        annotations=given,
        proxy_config={**_own_address(revision), **proxyconfig.read(given.get(annotations.PROXY_CONFIG, ""))},
        mesh_metadata=(mesh.get("defaultConfig") or {}).get("proxyMetadata") or {},
        trust_domain=model.trust_domain(mesh),
        revision=revision,
    )


def _own_address(revision: revisions.Revision) -> Mapping[str, str]:
    """PROXY_CONFIG tells what differs from Istio's defaults, and the default address is that of ``istiod``."""
    return {} if revision.is_default else {"discoveryAddress": revision.address}
