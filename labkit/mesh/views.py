"""One view of the mesh, for all proxies that see the same: upstreams, tables, listeners."""

from collections.abc import Mapping, Sequence
from typing import Any

from labkit.mesh import faults, ir, scopes, secrets, upstreams
from labkit.mesh.envoy import explicit
from labkit.mesh.envoy import upstreams as clusters
from labkit.mesh.memo import Memo
from labkit.mesh.model import Resource
from labkit.mesh.outbound import Builder, Outbound
from labkit.mesh.rules import Rule, Rules, priorities_of
from labkit.mesh.services import Service

PASSTHROUGH = clusters.passthrough()


class View:
    """What one kind of workload sees, made when it is first asked for."""

    def __init__(
        self,
        scope: scopes.Scope,
        *,
        rules: Rules,
        labels: Mapping[str, str],
        is_gateway: bool,
        memo: Memo,
        key: object,
        mesh_config: Mapping[str, Any],
        namespaces: Sequence[str] = (),
    ) -> None:
        self.scope, self.labels, self.memo, self.key = scope, labels, memo, key
        self._rules, self._is_gateway, self._mesh_config = rules, is_gateway, mesh_config
        self._namespaces = namespaces
        self._chosen: dict[str, Rule | None] = {}
        self.clusters: dict[str, Resource] = {}
        self.endpoints: dict[str, Resource] = {}
        self.upstreams: dict[str, ir.Upstream] = {}
        self.secret_names: list[str] = []
        if not is_gateway:
            self.clusters[PASSTHROUGH["name"]] = PASSTHROUGH
        for service in scope.services.values():
            for upstream, cluster, assignment in self._of_service(service):
                self.upstreams[upstream.name] = upstream
                self.secret_names += secrets.of_upstream(upstream)
                self.clusters[upstream.name] = cluster
                if assignment is not None:
                    self.endpoints[upstream.name] = assignment
        self._outbound: Outbound | None = None
        self._http_proxy: Resource | None = None

    def _of_service(self, service: Service) -> tuple[tuple[ir.Upstream, Resource, Resource | None], ...]:
        rule = self._rule(service)
        like = tuple(self.labels.get(label, "") for label in priorities_of(rule))
        key = "upstreams", self._is_gateway, service.host, service.namespace, id(rule), like
        return self.memo.get(key, (service, rule), lambda: self._make(service, rule))

    def _make(self, service: Service, rule: Rule | None) -> tuple[tuple[ir.Upstream, Resource, Resource | None], ...]:
        name = f"DestinationRule {rule.namespace}/{rule.name}" if rule else f"Service {service.host}"
        with faults.naming(name):
            return self._made(service, rule)

    def _made(self, service: Service, rule: Rule | None) -> tuple[tuple[ir.Upstream, Resource, Resource | None], ...]:
        return tuple(
            (u, clusters.cluster(u), clusters.assignment(u, self.labels) if u.kind == "EDS" else None)
            for u in upstreams.of_service(service, rule, self._client(captures=False))
        )

    def _client(self, *, captures: bool) -> upstreams.Client:
        return upstreams.Client(is_gateway=self._is_gateway, captures=captures, mesh=self._mesh_config)

    def captured(self) -> tuple[dict[str, Resource], dict[str, Resource]]:
        """Clusters and endpoints as they are where traffic is captured: what Istio says on a real node."""
        found, ready = {}, {}
        for service in self.scope.services.values():
            rule = self._rule(service)
            for u in upstreams.of_service(service, rule, self._client(captures=True)):
                found[u.name] = clusters.cluster(u)
                if u.kind == "EDS":
                    ready[u.name] = clusters.assignment(u, self.labels)
        return found, ready

    def _rule(self, service: Service) -> Rule | None:
        if service.host not in self._chosen:
            self._chosen[service.host] = self._rules.for_host(
                service.host, service.namespace, client=self.scope.namespace, labels=self.labels
            )
        return self._chosen[service.host]

    def hash_of(self, host: str, subset: str, port: int) -> tuple[Mapping[str, Any], ...]:
        """What decides which endpoint of a host a request goes to."""
        service = self.scope.services.get(host)
        return upstreams.hash_policies(service, self._rule(service) if service else None, subset, port)

    def parts_of(self, host: str) -> tuple[object, ...]:
        """What routes to a host depend on."""
        service = self.scope.services.get(host)
        return service, self._rule(service) if service else None

    def ports_of(self, host: str) -> tuple[int, ...]:
        """The ports of a host."""
        service = self.scope.services.get(host)
        return tuple(p.number for p in service.ports) if service else ()

    @property
    def default_retries(self) -> Mapping[str, Any] | None:
        """What the mesh says about retries of rules that say nothing."""
        said: Mapping[str, Any] | None = self._mesh_config.get("defaultHttpRetryPolicy")
        return said

    @property
    def outbound(self) -> Outbound:
        """Istio's tables by port, and what is not routed by request."""
        if self._outbound is None:
            self._outbound = self._builder().outbound()
        return self._outbound

    @property
    def listeners(self) -> tuple[ir.OutboundListener, ...]:
        """Istio's listeners by port, for which nothing is captured here."""
        return self._builder().listeners()

    def _builder(self) -> Builder:
        return Builder(
            self.scope,
            labels=self.labels,
            hash_of=self.hash_of,
            parts_of=self.parts_of,
            memo=self.memo,
            key=self.key,
            default_retries=self.default_retries,
        )

    @property
    def http_proxy(self) -> Resource:
        """The union of the tables, for apps that call their sidecar as a proxy."""
        if self._http_proxy is None:
            found = self.outbound
            self._http_proxy = explicit.config(
                found.tables,
                found.connections,
                self.memo,
                self.key,
                allows=self.scope.allows_unknown,
                namespaces=self._namespaces,
            )
        return self._http_proxy
