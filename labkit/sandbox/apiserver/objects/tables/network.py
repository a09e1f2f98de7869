"""Tables of services and what belongs to them."""

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.tables.columns import (
    AGE,
    NAME,
    NONE,
    UNSET,
    at,
    column,
    joined,
    labels,
    selector,
    wide,
)

SHOWN = 3
"""How many addresses and ports are listed before "+ 2 more..."."""


def _balancer(obj: Object) -> str:
    ingresses = at("status", "loadBalancer", "ingress", default=())(obj)
    return joined([i.get("ip") or i.get("hostname") or "" for i in ingresses])


def _external(service: Object) -> str:
    spec = service["spec"]
    external = joined(spec.get("externalIPs") or ())
    if spec["type"] == "ExternalName":
        return str(spec.get("externalName", ""))
    if spec["type"] == "LoadBalancer":
        return joined([text for text in (_balancer(service), external) if text]) or "<pending>"
    return external or NONE


def _service_ports(service: Object) -> str:
    return joined([_service_port(port) for port in service["spec"].get("ports") or ()]) or NONE


def _service_port(port: Object) -> str:
    node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port['port']}{node_port}/{port['protocol']}"


def _listed(items: list[str], none: str) -> str:
    more = f" + {len(items) - SHOWN} more..." if len(items) > SHOWN else ""
    return joined(items[:SHOWN]) + more if items else none


def _slice_ports(endpoint_slice: Object) -> str:
    ports = endpoint_slice.get("ports") or ()
    texts = [str(p["port"]) if p.get("port") is not None else p.get("name") or "*" for p in ports]
    return _listed(texts, UNSET)


def _slice_addresses(endpoint_slice: Object) -> str:
    return _listed([a for e in endpoint_slice.get("endpoints") or () for a in e.get("addresses") or ()], UNSET)


def _endpoints(endpoints: Object) -> str:
    texts = []
    for subset in endpoints.get("subsets") or ():
        for port in subset.get("ports") or [{}]:
            for address in subset.get("addresses") or ():
                suffix = f":{port['port']}" if port else ""
                texts.append(f"{address['ip']}{suffix}")
    return _listed(texts, NONE)


def _hosts(ingress: Object) -> str:
    return joined([r["host"] for r in ingress["spec"].get("rules") or () if r.get("host")]) or "*"


def _parameters(ingress_class: Object) -> str:
    reference = ingress_class["spec"].get("parameters")
    if not reference:
        return NONE
    group = f".{reference['apiGroup']}" if reference.get("apiGroup") else ""
    return f"{reference['kind']}{group}/{reference['name']}"


TABLES = {
    "/Service": (
        NAME,
        column("Type", at("spec", "type"), "V1ServiceSpec.type"),
        column("Cluster-IP", at("spec", "clusterIP", default=NONE), "V1ServiceSpec.cluster_ip"),
        column("External-IP", _external, "V1ServiceSpec.external_ips"),
        column("Port(s)", _service_ports, "V1ServiceSpec.ports"),
        AGE,
        wide("Selector", lambda s: labels(s["spec"].get("selector")), "V1ServiceSpec.selector"),
    ),
    "discovery.k8s.io/EndpointSlice": (
        NAME,
        column("AddressType", at("addressType"), "V1EndpointSlice.address_type"),
        column("Ports", _slice_ports, "V1EndpointSlice.ports"),
        column("Endpoints", _slice_addresses, "V1EndpointSlice.endpoints"),
        AGE,
    ),
    "/Endpoints": (NAME, column("Endpoints", _endpoints, "V1Endpoints.subsets"), AGE),
    "networking.k8s.io/Ingress": (
        NAME,
        column(
            "Class",
            at("spec", "ingressClassName", default=NONE),
            "The name of the IngressClass resource that should be used for additional configuration",
        ),
        column("Hosts", _hosts, "Hosts that incoming requests are matched against before the ingress rule"),
        column("Address", _balancer, "Address is a list containing ingress points for the load-balancer"),
        column(
            "Ports",
            lambda i: "80, 443" if i["spec"].get("tls") else "80",
            "Ports of TLS configurations that open",
        ),
        AGE,
    ),
    "networking.k8s.io/IngressClass": (
        NAME,
        column("Controller", at("spec", "controller"), "Controller that is responsible for handling this class"),
        column(
            "Parameters",
            _parameters,
            "A reference to a resource with additional parameters",
        ),
        AGE,
    ),
    "networking.k8s.io/NetworkPolicy": (
        NAME,
        column(
            "Pod-Selector",
            lambda p: selector(p["spec"].get("podSelector") or {}),
            "V1NetworkPolicySpec.pod_selector",
        ),
        AGE,
    ),
}
