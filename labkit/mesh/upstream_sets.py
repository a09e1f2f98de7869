"""What one kind of workload can reach: clusters and endpoints, whatever routes lead to them."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from labkit.mesh import blame, durations, ir, secrets
from labkit.mesh.envoy import upstreams as clusters
from labkit.mesh.hosts.services import Service
from labkit.mesh.memo import Memo
from labkit.mesh.model import Resource
from labkit.mesh.routes.scopes import Scope
from labkit.mesh.upstreams import subsets, traffic_policy, typed_policy
from labkit.mesh.upstreams.destination_rules import Rule, Rules, priorities_of

PASSTHROUGH, INBOUND_PASSTHROUGH = "PassthroughCluster", "InboundPassthroughCluster"

Upstreams = tuple[tuple[ir.Upstream, Resource, Resource | None], ...]
"""Upstreams of one host, each with its cluster and, where it has one, its endpoints."""


class Reach:
    """Made of hosts and DestinationRules alone, so it stays as it is while only routes change."""

    def __init__(
        self,
        scope: Scope,
        *,
        rules: Rules,
        labels: Mapping[str, str],
        is_gateway: bool,
        sends_hbone: bool,
        memo: Memo,
        mesh_config: Mapping[str, Any],
    ) -> None:
        self.services, self._namespace, self._labels = scope.services, scope.namespace, labels
        self._sends_hbone = sends_hbone
        self._is_gateway, self._memo, self._mesh_config = is_gateway, memo, mesh_config
        self._every_rule = rules
        self._rules = {
            service.host: rules.for_host(service.host, service.namespace, client=scope.namespace, labels=labels)
            for service in self.services.values()
        }
        self.clusters: dict[str, Resource] = {}
        self.endpoints: dict[str, Resource] = {}
        self.upstreams: dict[str, ir.Upstream] = {}
        self.secret_names: list[str] = []
        self._add_plumbing()
        for service in self.services.values():
            for upstream, cluster, assignment in self._of_service(service):
                self.upstreams[upstream.name] = upstream
                self.secret_names += secrets.of_upstream(upstream)
                self.clusters[upstream.name] = cluster
                if assignment is not None:
                    self.endpoints[upstream.name] = assignment

    def rule(self, host: str) -> Rule | None:
        """The DestinationRule that counts for a host here."""
        return self._rules.get(host)

    def rule_inbound(self, host: str) -> Rule | None:
        """The DestinationRule that counts for what comes in: one for some workloads speaks of their calls alone."""
        rule, service = self.rule(host), self.services.get(host)
        if rule is None or service is None or not rule.clients:
            return rule
        return self._every_rule.for_host(host, service.namespace, client=self._namespace, labels={})

    def hash_of(self, host: str, subset: str, port: int) -> tuple[ir.Hash, ...]:
        """What decides which endpoint of a host a request goes to."""
        return subsets.hash_policies(self.rule(host), subset, port)

    def parts_of(self, host: str) -> tuple[object, ...]:
        """What routes to a host depend on."""
        return self.services.get(host), self.rule(host)

    def ports_of(self, host: str) -> tuple[int, ...]:
        """The ports of a host."""
        service = self.services.get(host)
        return tuple(p.number for p in service.ports) if service else ()

    @cached_property
    def looks_up_hosts(self) -> bool:
        """Whether an upstream has no addresses but the name in each request."""
        return any(u.kind == subsets.FORWARD for u in self.upstreams.values())

    def _add_plumbing(self) -> None:
        """Clusters for connections that no host of the mesh is meant by."""
        plumbing = self._memo.get(("plumbing", self._is_gateway), (), self._plumbing)
        self.clusters |= {cluster["name"]: cluster for cluster in plumbing}

    def _plumbing(self) -> list[Resource]:
        mesh = self._mesh_config
        black_hole = clusters.black_hole(durations.seconds(mesh.get("connectTimeout") or "10s"))
        if self._is_gateway:
            return [black_hole]
        pool = typed_policy.pool(traffic_policy.with_mesh({}, mesh).get("connectionPool") or {})
        return [
            black_hole,
            clusters.passthrough(PASSTHROUGH, pool, is_inbound=False),
            clusters.passthrough(INBOUND_PASSTHROUGH, pool, is_inbound=True),
        ]

    def _of_service(self, service: Service) -> Upstreams:
        rule = self.rule(service.host)
        like = tuple(self._labels.get(label, "") for label in priorities_of(rule))
        key = "upstreams", self._is_gateway, self._sends_hbone, service.host, service.namespace, id(rule), like
        return self._memo.get(key, (service, rule), lambda: self._make(service, rule))

    def _make(self, service: Service, rule: Rule | None) -> Upstreams:
        name = f"DestinationRule {rule.namespace}/{rule.name}" if rule else f"Service {service.host}"
        with blame.naming(name):
            return tuple(
                (u, clusters.cluster(u), clusters.assignment(u, self._labels) if u.kind == "EDS" else None)
                for u in subsets.of_service(service, rule, self._client())
            )

    def _client(self) -> subsets.Client:
        return subsets.Client(is_gateway=self._is_gateway, mesh=self._mesh_config, sends_hbone=self._sends_hbone)
