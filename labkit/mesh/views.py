"""One view of the mesh, for all proxies that see the same: what they reach, their tables, their listeners."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from labkit.mesh import ir
from labkit.mesh.envoy import explicit
from labkit.mesh.hosts import scopes
from labkit.mesh.listeners.outbound import Builder, Outbound
from labkit.mesh.memo import Memo
from labkit.mesh.model import Resource
from labkit.mesh.upstreams.upstream_set import Reach


class View:
    """What one kind of workload sees."""

    def __init__(
        self,
        scope: scopes.Scope,
        *,
        reach: Reach,
        labels: Mapping[str, str],
        memo: Memo,
        key: int,
        mesh_config: Mapping[str, Any],
        namespaces: Sequence[str] = (),
    ) -> None:
        self.scope, self.reach, self.labels, self.memo, self.key = scope, reach, labels, memo, key
        self._namespaces = namespaces
        self.default_retries: Mapping[str, Any] | None = mesh_config.get("defaultHttpRetryPolicy")
        """What the mesh says about retries of rules that say nothing."""

    @cached_property
    def outbound(self) -> Outbound:
        """Istio's tables by port, and what is not routed by request."""
        return self._builder().outbound()

    @property
    def listeners(self) -> tuple[ir.OutboundListener, ...]:
        """Istio's listeners by port, for which nothing is captured here."""
        return self._builder().listeners()

    def _builder(self) -> Builder:
        return Builder(
            self.scope,
            reach=self.reach,
            labels=self.labels,
            memo=self.memo,
            key=self.key,
            default_retries=self.default_retries,
        )

    @cached_property
    def routes(self) -> Mapping[str, Resource]:
        """The union of the tables, for apps that call their sidecar as a proxy; the same mapping for all proxies."""
        table = explicit.config(
            self.outbound.tables,
            self.outbound.connections,
            self.memo,
            self.key,
            allows=self.scope.allows_unknown,
            namespaces=self._namespaces,
        )
        return self.memo.get(("routes", self.key), (table,), lambda: {table["name"]: table})
