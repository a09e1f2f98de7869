"""Which VirtualService speaks for a host: its own, the oldest where there are several, else the closest wildcard's."""

from collections.abc import Sequence

from labkit.mesh import names
from labkit.mesh.routes.virtual_services import VirtualService


class Choice:
    """The rules that one egress lists, looked up by host."""

    def __init__(self, rules: Sequence[VirtualService]) -> None:
        self._exact: dict[str, list[VirtualService]] = {}
        self._wild: dict[str, list[VirtualService]] = {}
        for rule in rules:
            for host in rule.hosts:
                self._exact.setdefault(host, []).append(rule)
        for host in filter(names.is_wildcard, list(self._exact)):
            self._wild[host] = self._exact.pop(host)
        self.of_connections = tuple(rule for rule in rules if rule.tls or rule.tcp)
        """Those that speak of connections too."""

    def every(self, host: str) -> Sequence[VirtualService]:
        """All rules of a host, the best first."""
        own = self._exact.get(host, ())
        best = names.most_specific(self._wild, host) if self._wild else None
        return [*own, *self._wild[best]] if best else own

    def http(self, hosts: Sequence[str]) -> list[VirtualService | None]:
        """The rule for requests to each host."""
        rules = [self.every(host) for host in hosts] if self._wild else [self._exact.get(host, ()) for host in hosts]
        return [of_host[0] if of_host and of_host[0].http else _http(of_host) for of_host in rules]


def _http(rules: Sequence[VirtualService]) -> VirtualService | None:
    return next((rule for rule in rules if rule.http), None)
