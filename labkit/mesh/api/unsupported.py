"""What the translator does not carry out: said when an object is applied, never ignored in silence."""

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object

LOCALITY = "the sandbox has one node, so there is no other locality to go to"
BOUND = "a listener has its port at the pod's own address, wherever it is said to be bound"

POLICY = {
    "loadBalancer.localityLbSetting.distribute": LOCALITY,
    "loadBalancer.localityLbSetting.failover": LOCALITY,
    "tunnel": "connections are not sent through a tunnel",
}
"""Fields of a trafficPolicy → why they have no effect."""

PLACES = ("trafficPolicy", "trafficPolicy.portLevelSettings[]", "subsets[].trafficPolicy")
PLACES_BY_PORT = ("subsets[].trafficPolicy.portLevelSettings[]",)

FIELDS: Mapping[str, Mapping[str, str]] = {
    "VirtualService": {
        "http[].match[].statPrefix": "requests are counted by cluster only",
        "tls[].match[].sourceSubnet": "callers are not told apart by address",
        "tcp[].match[].sourceSubnet": "callers are not told apart by address",
        "tls[].match[].destinationSubnets[]": "tunnelled connections are told apart by host and port only",
        "tcp[].match[].destinationSubnets[]": "tunnelled connections are told apart by host and port only",
    },
    "DestinationRule": {
        f"{place}.{field}": reason for place in (*PLACES, *PLACES_BY_PORT) for field, reason in POLICY.items()
    },
    "Gateway": {
        "servers[].bind": BOUND,
        "servers[].defaultEndpoint": "Istio gives it no meaning either",
        "servers[].tls.verifyCertificateSpki[]": "certificates are not pinned",
        "servers[].tls.verifyCertificateHash[]": "certificates are not pinned",
    },
    "ServiceEntry": {
        "endpoints[].network": "there is one network",
    },
    "WorkloadEntry": {"network": "there is one network"},
    "Sidecar": {
        "ingress[].bind": BOUND,
        "ingress[].captureMode": BOUND,
        "ingress[].tls": "the sidecar takes mutual TLS only",
        "outboundTrafficPolicy.egressProxy": "other hosts are called directly",
    },
    "Telemetry": {
        "tracing[].disableContextPropagation": "requests always carry the headers of their trace on",
        "metrics[].reportingInterval": "connections that are open report when they end",
    },
}
"""Kind → path below ``spec`` → why the field has no effect; ``[]`` stands for every element."""

KINDS = {
    "WasmPlugin": "the sandbox's Envoy gets no plugins",
    "TrafficExtension": "the sandbox's Envoy gets no plugins; an EnvoyFilter brings a script in Lua (lesson 14)",
    "ProxyConfig": "proxies are started as the sandbox starts them",
    "WorkloadGroup": "no machine joins by itself",
}
"""Kinds that have no effect at all; whoever teaches the translator one takes it out here."""

VALUES = {
    ("Gateway", "servers[].tls.mode"): {"AUTO_PASSTHROUGH": "there is no other cluster to pass connections to"},
}
"""Values without effect of fields that have one."""


def findings(obj: Object) -> list[str]:
    """One sentence for each field that has no effect: ``spec.servers[0].bind has no effect: …``."""
    kind, spec = str(obj.get("kind", "")), obj.get("spec") or {}
    if kind in KINDS and str(obj.get("apiVersion", "")).partition("/")[0].endswith("istio.io"):
        return [f"spec has no effect: {KINDS[kind]}"]
    problems = [
        f"spec.{where} has no effect: {reason}"
        for path, reason in FIELDS.get(kind, {}).items()
        for where, value in at(spec, path)
        if value not in (None, "", [], {})
    ]
    for (of, path), values in VALUES.items():
        if of == kind:
            problems += [
                f"spec.{where}: {value} has no effect: {values[value]}"
                for where, value in at(spec, path)
                if isinstance(value, str) and value in values
            ]
    return problems


def at(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """(path with numbers, value) of every place that a path leads to."""
    name, _, rest = path.partition(".")
    is_list = name.endswith("[]")
    name = name.removesuffix("[]")
    inner = value.get(name) if isinstance(value, Mapping) else None
    if inner is None:
        return
    if not is_list:
        places = [(name, inner)]
    else:
        places = [(f"{name}[{n}]", v) for n, v in enumerate(inner)] if isinstance(inner, list) else []
    for where, inner_value in places:
        if not rest:
            yield where, inner_value
        else:
            yield from ((f"{where}.{deeper}", v) for deeper, v in at(inner_value, rest))
