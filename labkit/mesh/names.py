"""Host names: short and full, wildcards, and the names that Envoy's clusters carry."""

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence

from labkit.mesh import model

MESH = "mesh"
"""In the place of a gateway: all sidecars."""

HOST = re.compile(r"[\w.-]*[a-zA-Z][\w.-]*")


def full_host(host: str, namespace: str) -> str:
    """A name without a dot is one of the namespace; every other name stays as it is, ``reviews.default`` too."""
    return host if "." in host or "*" in host else f"{host}.{namespace}.svc.{model.DOMAIN}"


def gateway(name: str, namespace: str) -> str:
    """``default/bookinfo-gateway``; a name without a namespace is one of the object's own."""
    return name if name == MESH or "/" in name else f"{namespace}/{name}"


def upstream_name(port: int, subset: str, host: str) -> str:
    """``outbound|9080|v1|reviews.default.svc.cluster.local``."""
    return f"outbound|{port}|{subset}|{host}"


def waypoint_upstream(port: int, subset: str, host: str) -> str:
    """``inbound-vip|9080|http/v1|reviews.default.svc.cluster.local``: a host as its waypoint calls it."""
    return f"inbound-vip|{port}|{subset}|{host}"


def is_wildcard(host: str) -> bool:
    """``*`` or ``*.example.com``."""
    return host.startswith("*")


def covers(pattern: str, host: str) -> bool:
    """Whether every name that ``host`` stands for is one of the pattern's."""
    return host.endswith(pattern[1:]) if is_wildcard(pattern) else host == pattern


def common(one: str, other: str) -> str | None:
    """The narrower of two hosts, None where they have no name in common."""
    if covers(one, other):
        return other
    return one if covers(other, one) else None


def common_hosts(ours: Iterable[str], theirs: Iterable[str]) -> list[str]:
    """Every host that both lists speak of, in the order of the first."""
    others = list(theirs)
    common_ones = [both for one in ours for other in others if (both := common(one, other))]
    return list(dict.fromkeys(common_ones))


def most_specific(hosts: Iterable[str], host: str) -> str | None:
    """Of the patterns that cover a host the one that says most: itself, else the longest wildcard."""
    fitting = [h for h in hosts if covers(h, host)]
    return max(fitting, key=lambda h: (not is_wildcard(h), len(h)), default=None)


def server_names(hosts: Sequence[str]) -> tuple[str, ...] | None:
    """What TLS's server name is compared with: nothing where every name fits, None where none could.

    Envoy does not tell capitals apart, and takes no pattern that ends in the middle of a label.
    """
    if "*" in hosts:
        return ()
    return tuple(dict.fromkeys(h.lower() for h in hosts if not h.startswith("*") or h.startswith("*."))) or None


def is_host(address: str) -> bool:
    """``db.example.com``: a name that somebody must look up, neither numbers nor the path of a socket."""
    return HOST.fullmatch(address) is not None


def is_address(text: str) -> bool:
    """``192.0.2.1`` or ``2001:db8::1``."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_authority(name: str) -> bool:
    """Whether a header is the host that a request asks for."""
    return name.lower() in ("host", ":authority")


def is_range(address: str) -> bool:
    """``203.0.113.0/24``."""
    return "/" in address and address.rpartition("/")[2].isdecimal()


def spiffe(account: str, domain: str = model.TRUST_DOMAIN) -> str:
    """``default/bookinfo-reviews`` → its SPIFFE name."""
    namespace, _, name = account.partition("/")
    return f"spiffe://{domain}/ns/{namespace}/sa/{name}"


def config_path(kind: str, namespace: str, name: str) -> str:
    """The path under which Istio notes on a route or a cluster which object made it; ``kind`` in kebab case."""
    return f"/apis/networking.istio.io/v1/namespaces/{namespace}/{kind}/{name}"


CLUSTER = "Kubernetes"
"""The cluster's name as istiod has it where nobody gives another."""

MESH_ID = "cluster.local"


def canonical(labels: Mapping[str, str], workload: str) -> str:
    """The canonical service of a workload: what telemetry calls it."""
    asked = ("service.istio.io/canonical-name", "app.kubernetes.io/name", "app")
    return next((labels[label] for label in asked if labels.get(label)), workload)


def revision(labels: Mapping[str, str]) -> str:
    """The canonical revision of a workload."""
    asked = ("service.istio.io/canonical-revision", "app.kubernetes.io/version", "version")
    return next((labels[label] for label in asked if labels.get(label)), "latest")
