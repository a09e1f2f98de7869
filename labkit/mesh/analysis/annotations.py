"""Istio's annotations: which there are, what they belong to, and which values they take."""

from collections.abc import Iterator

from labkit.mesh.analysis.messages import INFO, WARNING, Message, on
from labkit.mesh.analysis.snapshot import Snapshot
from labkit.mesh.injection import annotations as values

POD, SERVICE, NAMESPACE, ANY = "Pod", "Service", "Namespace", "Any"

_SIDECAR = (
    *("agentLogLevel", "bootstrapOverride", "componentLogLevel", "controlPlaneAuthPolicy", "discoveryAddress"),
    *("enableCoreDump", "extraStatTags", "inject", "interceptionMode", "logLevel", "nativeSidecar", "proxyCPU"),
    *("proxyCPULimit", "proxyImage", "proxyImageType", "proxyMemory", "proxyMemoryLimit", "rewriteAppHTTPProbers"),
    *("statsCompression", "statsHistogramBuckets", "statsInclusionPrefixes", "statsInclusionRegexps"),
    *("statsInclusionSuffixes", "status", "userVolume", "userVolumeMount"),
)
_TRAFFIC = (
    *("excludeInboundPorts", "excludeInterfaces", "excludeOutboundIPRanges", "excludeOutboundPorts"),
    *("includeInboundPorts", "includeOutboundIPRanges", "includeOutboundPorts", "kubevirtInterfaces"),
)
_ANYWHERE = ("galley.istio.io/analyze-suppress", "install.operator.istio.io/chart-owner", "istio.io/dry-run")

PLACES: dict[str, tuple[str, ...]] = {
    **{f"sidecar.istio.io/{name}": (POD,) for name in _SIDECAR},
    **{f"traffic.sidecar.istio.io/{name}": (POD,) for name in _TRAFFIC},
    **{
        f"readiness.status.sidecar.istio.io/{name}": (POD,)
        for name in ("applicationPorts", "failureThreshold", "initialDelaySeconds", "periodSeconds")
    },
    **dict.fromkeys(("status.sidecar.istio.io/port", "inject.istio.io/templates", "proxy.istio.io/config"), (POD,)),
    **dict.fromkeys(("proxy.istio.io/overrides", "prometheus.istio.io/merge-metrics", "istio.io/rev"), (POD,)),
    **dict.fromkeys(("ambient.istio.io/redirection", "ambient.istio.io/bypass-inbound-capture"), (POD,)),
    "ambient.istio.io/dns-capture": (POD,),
    "networking.istio.io/exportTo": (SERVICE,),
    "networking.istio.io/traffic-distribution": (SERVICE, "ServiceEntry", NAMESPACE),
    "networking.istio.io/service-type": ("GatewayClass", "Gateway"),
    "networking.istio.io/address-type": ("Gateway",),
    "alpha.istio.io/kubernetes-serviceaccounts": (SERVICE,),
    "alpha.istio.io/canonical-serviceaccounts": (SERVICE,),
    "alpha.istio.io/identity": ("ServiceAccount",),
    "topology.istio.io/controlPlaneClusters": (NAMESPACE,),
    "internal.istio.io/service-account-name": ("Gateway",),
    "gateway.istio.io/controller-version": ("Gateway",),
    "gateway.istio.io/name-override": ("Gateway",),
    "gateway.istio.io/service-account": ("Gateway",),
    "kubernetes.io/ingress.class": ("Ingress",),
    **dict.fromkeys(_ANYWHERE, (ANY,)),
}  # fmt: skip
"""Annotation → kinds of objects that it may stand on."""

DEPRECATED = {"sidecar.istio.io/inject": ' in favor of the "sidecar.istio.io/inject" label'}

KINDS = ("Namespace", "Service", "Pod", "Deployment")


def annotations(objects: Snapshot) -> Iterator[Message]:
    """IST0107, IST0108, IST0125 and IST0135."""
    for obj in (one for kind in KINDS for one in objects.of(kind)):
        given = obj["metadata"].get("annotations") or {}
        for name in sorted(filter(_is_istios, given)):
            kinds = PLACES.get(name)
            if kinds is None:
                yield on(obj, "IST0108", WARNING, f"Unknown annotation: {name}")
                continue
            if ANY in kinds:
                continue
            if obj["kind"] not in kinds:
                text = f"Misplaced annotation: {name} can only be applied to {', '.join(kinds)}"
                yield on(obj, "IST0107", WARNING, text)
            elif (check := values.CHECKS.get(name)) and (problem := check(given[name])):
                yield on(obj, "IST0125", WARNING, f"Invalid annotation {name}: {problem}")
            if name in DEPRECATED:
                text = f'Annotation "{name}" has been deprecated{DEPRECATED[name]} and may not work in future Istio '
                yield on(obj, "IST0135", INFO, f"{text}versions.")


def _is_istios(name: str) -> bool:
    return name == "kubernetes.io/ingress.class" or ("/" in name and name.partition("/")[0].endswith("istio.io"))
