"""Files of ``/etc`` that tell a pod who and where it is: pure functions of the pod."""

from collections.abc import Iterable

from labkit.kube import resources
from labkit.kube.resources import Object

DOMAIN = "cluster.local"

NAME_SERVER = "10.96.0.10"
"""The ClusterIP of a cluster's DNS, as on kind."""


LONGEST = 63
"""Characters of a host's name."""


def host_name(pod: Object) -> str:
    """What ``hostname`` prints: the beginning of the pod's name, unless the pod says another or wants all of it."""
    spec = pod["spec"]
    if override := spec.get("hostnameOverride"):
        return str(override)
    whole = full_name(pod) if spec.get("setHostnameAsFQDN") else ""
    return whole or _short_name(pod)


def _short_name(pod: Object) -> str:
    return str(pod["spec"].get("hostname") or resources.name_of(pod))[:LONGEST].rstrip("-.")


def full_name(pod: Object) -> str:
    """With its domain, if the pod has a subdomain; else empty."""
    subdomain = pod["spec"].get("subdomain")
    return f"{_short_name(pod)}.{subdomain}.{resources.namespace_of(pod)}.svc.{DOMAIN}" if subdomain else ""


def hosts(pod: Object, ip: str, local: Iterable[str]) -> str:
    """``/etc/hosts`` as the kubelet writes it, but for ``localhost``: the pod's own addresses; clients try them all.

    The machine's 127.0.0.1 is not among them: what listens there is not the pod's.
    """
    lines = [
        "# Kubernetes-managed hosts file.",
        *(f"{address}\tlocalhost" for address in local),
        "\t".join(filter(None, [ip, full_name(pod), _short_name(pod)])),
    ]
    aliases = pod["spec"].get("hostAliases") or []
    if aliases:
        lines += ["", "# Entries added by HostAliases."]
        lines += ["\t".join([alias["ip"], *(alias.get("hostnames") or [])]) for alias in aliases]
    return "\n".join(lines) + "\n"


def resolv_conf(pod: Object, *, name_server: str) -> str:
    """``/etc/resolv.conf`` by ``dnsPolicy`` and ``dnsConfig``; ``name_server`` is the cluster's."""
    spec = pod["spec"]
    policy, config = spec.get("dnsPolicy") or "ClusterFirst", spec.get("dnsConfig") or {}
    is_cluster = policy in ("ClusterFirst", "ClusterFirstWithHostNet")
    servers = [name_server] if is_cluster else []
    searches = [f"{resources.namespace_of(pod)}.svc.{DOMAIN}", f"svc.{DOMAIN}", DOMAIN] if is_cluster else []
    options = ["ndots:5"] if is_cluster else []
    servers = list(dict.fromkeys([*servers, *(config.get("nameservers") or [])]))
    searches = list(dict.fromkeys([*searches, *(config.get("searches") or [])]))
    for option in config.get("options") or []:
        options = [o for o in options if o.partition(":")[0] != option["name"]]
        options.append(f"{option['name']}:{option['value']}" if option.get("value") else option["name"])
    lines = [*(["search " + " ".join(searches)] if searches else []), *(f"nameserver {s}" for s in servers)]
    return "\n".join([*lines, *(["options " + " ".join(options)] if options else [])]) + "\n"
