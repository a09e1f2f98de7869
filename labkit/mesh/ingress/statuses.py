"""Where an Ingress is reached: the addresses of the gateway's Service."""

from collections.abc import Iterator, Mapping

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import model
from labkit.mesh.ingress import classes
from labkit.mesh.ingress.converting import DEFAULT_SERVICE, NAMESPACE

Key = tuple[str, str]
"""Namespace and name of an Ingress."""


def statuses(snapshot: model.Snapshot) -> Mapping[Key, Object]:
    """``status.loadBalancer`` of each of Istio's Ingresses; empty while the gateway's Service has no address."""
    name = snapshot.mesh_config.get("ingressService") or DEFAULT_SERVICE
    gateway = (
        s for s in snapshot.of("services") if (resources.namespace_of(s), resources.name_of(s)) == (NAMESPACE, name)
    )
    addresses = [{"ip" if _is_ip(text) else "hostname": text} for text in _addresses(next(gateway, None))]
    status = {"loadBalancer": {"ingress": addresses} if addresses else {}}
    return {(resources.namespace_of(one), resources.name_of(one)): status for one in classes.served(snapshot)}


def _addresses(service: Object | None) -> Iterator[str]:
    if service is None:
        return
    if service["spec"].get("type") == "ExternalName":
        yield service["spec"]["externalName"]
        return
    for entry in ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []:
        yield entry.get("ip") or entry.get("hostname")
    yield from service["spec"].get("externalIPs") or []


def _is_ip(text: str) -> bool:
    return ":" in text or text.replace(".", "").isdigit()
