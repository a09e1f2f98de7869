"""Which ports and addresses of a pod are captured: the counterpart of istio-iptables' rules, as data."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Ports:
    """A choice of ports: ``8080 in Ports(excluded=frozenset({8080}))`` is False."""

    included: frozenset[int] | None = None
    """None stands for all."""

    excluded: frozenset[int] = frozenset()

    def __contains__(self, port: int) -> bool:
        return (self.included is None or port in self.included) and port not in self.excluded


ALL = Ports()
