"""HTTP filters, in the one order in which requests meet them.

Each filter is a module with ``NAME`` and two functions: ``of_listener`` gives its entry in a chain of connections that
carry HTTP, or None where it is not needed; ``of_route`` gives what a single route sets for it, or None. A new filter is
a new module, its fields in the IR, and its place in ``ORDER``.
"""

from typing import Protocol

from labkit.mesh import ir
from labkit.mesh.envoy.http_filters import (
    alpn,
    authorization,
    cors,
    fault,
    forward_proxy,
    grpc_stats,
    peers,
    router,
    stats,
    tokens,
)
from labkit.mesh.model import Resource


class Filter(Protocol):
    """What a filter's module offers."""

    NAME: str

    @staticmethod
    def of_listener(http: ir.Http) -> Resource | list[Resource] | None:
        """Its entry among the filters of a listener, or its entries."""

    @staticmethod
    def of_route(route: ir.Route) -> Resource | None:
        """Its configuration for one route."""


ORDER: tuple[Filter, ...] = (  # type: ignore[assignment]  # modules stand for the protocol
    peers,
    tokens,
    authorization,
    grpc_stats,
    alpn,
    fault,
    cors,
    stats,
    forward_proxy,
    router,
)
"""As Istio orders them: what decides about requests comes before what changes them, and the router is last."""


def of_listener(http: ir.Http) -> list[Resource]:
    """The filters of a listener's HTTP connections."""
    return [entry for kind in ORDER for entry in _entries(kind.of_listener(http))]


def _entries(entries: Resource | list[Resource] | None) -> list[Resource]:
    if entries is None:
        return []
    return entries if isinstance(entries, list) else [entries]


def of_route(route: ir.Route) -> dict[str, Resource]:
    """``typed_per_filter_config`` of a route."""
    return {kind.NAME: config for kind in ORDER if (config := kind.of_route(route)) is not None}
