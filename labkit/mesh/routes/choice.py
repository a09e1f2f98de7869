"""Which VirtualService speaks for a host: its own, the oldest where there are several, else the closest wildcard's."""

from collections.abc import Callable, Sequence

from labkit.mesh import names
from labkit.mesh.routes.virtual_services import VirtualService


class Choice:
    """The rules that one egress lists, looked up by host."""

    def __init__(self, rules: Sequence[VirtualService]) -> None:
        # Each change of a rule comes by here with all others: few steps of Python for each of a thousand.
        self._oldest = {host: rule for rule in reversed(rules) for host in rule.hosts}
        self._several: dict[str, list[VirtualService]] = {}
        """The rules of hosts with more than one, which few hosts have."""
        if len(self._oldest) < sum([len(rule.hosts) for rule in rules]):
            for rule in rules:
                for host in rule.hosts:
                    self._several.setdefault(host, []).append(rule)
        self._wild = dict.fromkeys([host for host in self._oldest if "*" in host and names.is_wildcard(host)])
        self.of_connections = tuple([rule for rule in rules if rule.tls or rule.tcp])
        """The rules with ``tls`` or ``tcp``."""

    def every(self, host: str) -> Sequence[VirtualService]:
        """All rules of a host, the most specific first."""
        own = () if host in self._wild else self._own(host)
        best = names.most_specific(self._wild, host) if self._wild else None
        return [*own, *self._own(best)] if best else own

    def http(self, hosts: Sequence[str], has_routes: Callable[[VirtualService], bool]) -> list[VirtualService | None]:
        """The rule for requests to each host; one without a route for this workload leaves the host to the next."""
        if self._wild or self._several:
            return [next(filter(has_routes, self._of_requests(host)), None) for host in hosts]
        oldest = map(self._oldest.get, hosts)
        return [rule if rule is not None and rule.http else None for rule in oldest]

    def _of_requests(self, host: str) -> Sequence[VirtualService]:
        """The rules that may speak for requests to a host: its own, else the oldest of the closest wildcard."""
        if host not in self._wild and (own := self._own(host)):
            return own
        best = names.most_specific(self._wild, host)
        return self._own(best)[:1] if best else ()

    def _own(self, host: str) -> Sequence[VirtualService]:
        if self._several:
            return self._several.get(host, ())
        return (self._oldest[host],) if host in self._oldest else ()
