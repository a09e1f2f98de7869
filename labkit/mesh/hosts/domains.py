"""The names under which a host is called."""

from collections.abc import Iterable, Sequence

from labkit.mesh import model, names
from labkit.mesh.hosts.services import Service

SUFFIX = f".svc.{model.DOMAIN}"


def of_service(service: Service, namespace: str) -> tuple[str, ...]:
    """Every name that a client in ``namespace`` may use, the full one first, addresses last."""
    domains = list(of_host(service.host, namespace))
    for name, place in service.aliases:
        domains += of_host(f"{name}.{place}{SUFFIX}", namespace)
    if service.is_headless:
        domains += [f"*.{d}" for d in domains]
    domains += [a for a in service.addresses if not names.is_range(a)]
    return tuple(domains)


def of_host(host: str, namespace: str) -> Sequence[str]:
    """``reviews.default.svc.cluster.local`` and its shorter forms; other hosts have no other name."""
    if not host.endswith(SUFFIX) or host.startswith("*"):
        return [host]
    short = host.removesuffix(SUFFIX)
    name, _, place = short.rpartition(".")
    shorter = [name] if place == namespace else []
    return [host, f"{host}.", f"{short}.svc", short, *shorter]


def with_port(domains: Iterable[str], port: int) -> list[str]:
    """``reviews:9080``; on port 80 also without it, as clients write it."""
    domains_with_port = []
    for domain in domains:
        if domain == "*":
            domains_with_port.append(domain)
            continue
        domains_with_port += [f"{domain}:{port}", domain] if port == 80 else [f"{domain}:{port}"]
    return domains_with_port
