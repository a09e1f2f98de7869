"""What each proxy asks of those who come in: tokens and authorization, chosen by its namespace and labels."""

from collections.abc import Mapping
from typing import Any

from labkit.mesh import ir
from labkit.mesh.memo import Memo
from labkit.mesh.model import Proxy, Snapshot
from labkit.mesh.policies import authorization, request_authentication, selection

KINDS = (authorization.RESOURCE, request_authentication.RESOURCE)


class Guards:
    """All policies of a snapshot, ready to be asked for any proxy."""

    def __init__(
        self, snapshot: Snapshot, providers: Mapping[str, ir.Authorizer], *, domains: tuple[str, ...], memo: Memo
    ) -> None:
        self._snapshot, self._providers, self._domains, self._memo = snapshot, providers, domains, memo

    def of(self, proxy: Proxy) -> ir.Guard:
        """The guard of a proxy; the very same object as long as it says the same."""
        access, tokens = (self._attached(kind, proxy) for kind in KINDS)
        if not access and not tokens:
            return ir.OPEN
        guard = ir.Guard(
            tokens=request_authentication.tokens(tokens, self._snapshot.keys, chooses_routes=proxy.role == "router"),
            access=authorization.access_of(access, self._providers, domains=self._domains),
        )
        return self._memo.alike(("guard", proxy.namespace, proxy.name), guard, lambda: guard)

    def at_waypoint(self, waypoint: selection.Waypoint) -> ir.Guard:
        """The guard of a waypoint for one host behind it."""
        root = self._snapshot.root_namespace
        access, tokens = (
            selection.at_waypoint(self._snapshot.of(kind), waypoint, root=root) if self._snapshot.of(kind) else []
            for kind in KINDS
        )
        if not access and not tokens:
            return ir.OPEN
        guard = ir.Guard(
            tokens=request_authentication.tokens(tokens, self._snapshot.keys, chooses_routes=True),
            access=authorization.access_of(access, self._providers, domains=self._domains),
        )
        return self._memo.alike(("waypoint's guard", waypoint), guard, lambda: guard)

    def _attached(self, kind: str, proxy: Proxy) -> list[Any]:
        policies = self._snapshot.of(kind)
        if not policies:
            return []
        return selection.attached(
            policies, root=self._snapshot.root_namespace, namespace=proxy.namespace, labels=dict(proxy.labels)
        )
