"""From objects to the configuration of each Envoy: pure, and shared between proxies where it is the same."""

from collections import ChainMap
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from types import MappingProxyType

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import blame, entrances, ir, model, patches, sandboxed, secrets, tunnels, waypoint_config
from labkit.mesh.envoy import listeners, routes, waypoints
from labkit.mesh.envoy import upstreams as clusters
from labkit.mesh.hosts import registry
from labkit.mesh.hosts.services import Service
from labkit.mesh.listeners import entrance, gateways, inbound
from labkit.mesh.listeners.entrance import Entrance
from labkit.mesh.memo import Memo
from labkit.mesh.model import Config, Proxy, Resource, Snapshot
from labkit.mesh.policies import authorization, guards, peer_authentication, selection, telemetry
from labkit.mesh.routes import http_routes, scopes, tcp_routes, virtual_services
from labkit.mesh.upstream_sets import Reach
from labkit.mesh.upstreams import destination_rules, subsets, traffic_policy
from labkit.mesh.views import View

__all__ = ["Config", "Index", "Proxy", "Snapshot", "index"]

GATEWAYS = "gateways.networking.istio.io"

Versions = Mapping[str, Object | None]
"""uid of an EnvoyFilter → the version that counts in its place, None for none."""

NO_VERSIONS: Versions = MappingProxyType({})


class Index:
    """A snapshot, taken apart once for all proxies."""

    def __init__(self, snapshot: Snapshot, previous: "Index | None" = None) -> None:
        # What the mesh says touches everything: then nothing of before is used.
        is_same = previous is not None and previous.snapshot.mesh_config == snapshot.mesh_config
        self.memo: Memo = Memo(previous.memo if previous is not None and is_same else None)
        with blame.naming("The snapshot"):
            self._take_apart(snapshot, previous)

    def _take_apart(self, snapshot: Snapshot, previous: "Index | None") -> None:
        snapshot = _with_unchanged(snapshot, previous)
        self.snapshot: Snapshot = snapshot
        hosts = entrances.marked(registry.all_of(snapshot, self.memo), snapshot, self.memo)
        self.services = peer_authentication.unmarked(hosts, snapshot, self.memo)
        self.selected = self.memo.get("selected", (self.services,), lambda: inbound.Selected(self.services))
        self.virtual_services = virtual_services.all_of(snapshot, self.memo)
        oldest_first = sorted(snapshot.of(GATEWAYS), key=selection.age)
        self.gateways = self.memo.each("gateways", (oldest_first,), lambda _, obj: gateways.read(obj))
        self.rules = destination_rules.all_of(snapshot, self.memo)
        self.guards = self._guards(snapshot)
        self._envoy_filters = self.memo.each(
            "envoy filters", (snapshot.of(patches.RESOURCE),), lambda _, obj: patches.read(obj)
        )
        self._selectors = {frozenset(selector.items()) for selector in _selectors(self)}
        self._views: dict[Hashable, View] = {}

    def _guards(self, snapshot: Snapshot) -> guards.Guards:
        holders: dict[str, list[str]] = {}
        for service in self.services if snapshot.mesh_config.get("extensionProviders") else ():
            holders.setdefault(service.host, []).append(service.namespace)
        providers = authorization.providers_of(snapshot.mesh_config, holders)
        return guards.Guards(snapshot, providers, domains=self._trust_domains, memo=self.memo)

    def view(self, proxy: Proxy) -> View:
        """What a proxy sees: the same for all of a namespace whose labels nobody asks about."""
        labels = dict(proxy.labels)
        is_gateway, is_waypoint = proxy.role == "router", proxy.role == "waypoint"
        sends_hbone = tunnels.sends_hbone(proxy)
        chosen = frozenset(s for s in self._selectors if s <= labels.items())
        like = frozenset((label, labels.get(label, "")) for label in self.rules.priorities)
        key = proxy.namespace, proxy.role, sends_hbone, chosen, like
        if key not in self._views:
            number = self.memo.number(key)
            sidecar = None if is_gateway or is_waypoint else scopes.sidecar_of(self.snapshot, proxy.namespace, labels)
            name = f"Sidecar {resources.name_of(sidecar)} of {proxy.namespace}" if sidecar else "What is exported"
            with blame.naming(name):
                scope = scopes.scope(
                    self.services,
                    self.virtual_services,
                    namespace=proxy.namespace,
                    sidecar=sidecar,
                    mesh_config=self.snapshot.mesh_config,
                    memo=self.memo,
                    key=number,
                )
            self._views[key] = View(
                scope,
                reach=self._reach(scope, labels, number, is_gateway=is_gateway, sends_hbone=sends_hbone),
                labels=labels,
                memo=self.memo,
                key=number,
                mesh_config=self.snapshot.mesh_config,
            )
        return self._views[key]

    def _reach(
        self, scope: scopes.Scope, labels: Mapping[str, str], number: int, *, is_gateway: bool, sends_hbone: bool
    ) -> Reach:
        # Upstreams that are the same in several views are made once for all of them.
        memo = self.memo.within("reach", (self.services, self.rules))
        return memo.get(
            number,
            (scope.services, memo.parts),
            lambda: Reach(
                scope,
                rules=self.rules,
                labels=labels,
                is_gateway=is_gateway,
                sends_hbone=sends_hbone,
                memo=memo,
                mesh_config=self.snapshot.mesh_config,
            ),
        )

    def for_proxy(self, proxy: Proxy, versions: Versions = NO_VERSIONS) -> Config:
        """Everything one Envoy gets, with addresses that exist where it runs."""
        config = self.config(proxy, versions)
        return config if proxy.place is None else sandboxed.placed(config, self._place(proxy, proxy.place), self.memo)

    def config(self, proxy: Proxy, versions: Versions = NO_VERSIONS) -> Config:
        """Everything that Istio would send to one Envoy."""
        with blame.naming(f"What is for {proxy.namespace}/{proxy.name}"):
            view = self.view(proxy)
            config = self._of_role(proxy, view)
            return self._patched(tunnels.with_tunnels(config, proxy, self._trust_domains, self.memo), proxy, versions)

    def _of_role(self, proxy: Proxy, view: View) -> Config:
        if proxy.role == "waypoint":
            return waypoint_config.of(proxy, view, self.snapshot, self.services, self.guards, self.memo)
        return self._router(proxy, view) if proxy.role == "router" else self._sidecar(proxy, view)

    def filters_behind(self, proxy: Proxy, kind: str, name: str) -> list[Object]:
        """The EnvoyFilters that change a resource of a proxy, in the order in which they apply."""
        objects = {resources.uid_of(obj): obj for obj in self.snapshot.of(patches.RESOURCE)}
        every = [f.uid for f in patches.applying(self._envoy_filters, proxy, root=self.snapshot.root_namespace)]

        def without(*uids: str) -> Resource | None:
            config = self.for_proxy(proxy, dict.fromkeys(uids))
            resource: Resource | None = getattr(config, kind).get(name)
            return resource

        now, bare = without(), without(*every)
        # One that another hides, or repeats, changes the resource only where it is alone.
        behind = [u for u in every if without(u) != now or without(*(o for o in every if o != u)) != bare]
        return [objects[uid] for uid in behind]

    def _patched(self, config: Config, proxy: Proxy, versions: Versions) -> Config:
        if proxy.role == "waypoint":
            # Patches for waypoints have a context of their own, which is not carried out (patches/unsupported.py).
            return config
        root = self.snapshot.root_namespace
        filters = self._of_versions(versions) if versions else self._envoy_filters
        chosen = patches.chosen(filters, proxy, root=root, memo=self.memo)
        return config if chosen is None else patches.patched(config, chosen, self._target(proxy), self.memo)

    def _of_versions(self, versions: Versions) -> Iterator[patches.EnvoyFilter]:
        for envoy_filter in self._envoy_filters:
            obj = versions.get(envoy_filter.uid)
            if envoy_filter.uid not in versions:
                yield envoy_filter
            elif obj is not None:
                yield self.memo.get(("version", envoy_filter.uid), (obj,), lambda obj=obj: patches.read(obj))  # type: ignore[misc]

    def _target(self, proxy: Proxy) -> patches.Target:
        if proxy.role == "router":
            servers = gateways.servers(self.gateways, self.services, proxy)
            named = {
                server.table: {s.declared.number for s in servers if s.table == server.table} for server in servers
            }
            return patches.Target(is_gateway=True, tables={name: ports for name, ports in named.items() if name})
        ports = inbound.ports(self.selected.by(proxy), self.view(proxy).scope.ingress)
        return patches.Target(is_gateway=False, hosts={p.port: tuple(s.host for s in p.services) for p in ports})

    def _place(self, proxy: Proxy, place: sandboxed.Place) -> sandboxed.Place:
        """The place, with the node ports that Services give to a gateway's ports."""
        if proxy.role != "router" or not place.node_ip:
            return place
        return replace(place, node_ports=gateways.node_ports(self.services, proxy))

    def _telemetry(self, proxy: Proxy, clusters: Mapping[str, Resource]) -> telemetry.Sides:
        return telemetry.of(self.snapshot, proxy, clusters)

    def _sidecar(self, proxy: Proxy, view: View) -> Config:
        sides = self._telemetry(proxy, view.reach.clusters)
        listener, apps = self._inbound(proxy, view, self._entrance(proxy, sides.inbound))
        granted = secrets.granted_to(view.reach.secret_names, self.snapshot, proxy)
        return Config(
            clusters=ChainMap(apps, view.reach.clusters),
            endpoints=view.reach.endpoints,
            listeners=ChainMap(listener, _not_own(view.listeners(sides.outbound), proxy)),
            routes=view.routes,
            secrets=granted.secrets,
            denied_secrets=granted.denied,
        )

    def _entrance(self, proxy: Proxy, signals: ir.Telemetry) -> Entrance:
        normalization = entrance.normalization(self.snapshot.mesh_config)
        return Entrance(guard=self.guards.of(proxy), normalization=normalization, telemetry=signals)

    def _inbound(self, proxy: Proxy, view: View, entrance: Entrance) -> tuple[dict[str, Resource], dict[str, Resource]]:
        """(listener, clusters of the app): of one proxy alone, so kept while nothing about it changes."""
        own = self.selected.by(proxy)
        rules = tuple(view.reach.rule_inbound(service.host) for service in own)
        policies = self.snapshot.of(peer_authentication.RESOURCE)
        parts = (proxy, *own, *rules, *view.scope.ingress, view.scope.inbound_pool, *policies, entrance.guard)
        key = "inbound", proxy.namespace, proxy.name, entrance.telemetry
        return self.memo.get(key, parts, lambda: self._make_inbound(proxy, view, own, entrance))

    def _make_inbound(
        self, proxy: Proxy, view: View, own: Sequence[Service], entrance: Entrance
    ) -> tuple[dict[str, Resource], dict[str, Resource]]:
        ports = inbound.ports(own, view.scope.ingress)
        modes = peer_authentication.modes(
            self.snapshot.of(peer_authentication.RESOURCE),
            root=self.snapshot.root_namespace,
            namespace=proxy.namespace,
            labels=dict(proxy.labels),
        )
        listener = inbound.listener(
            ports, modes.ports, default=modes.default, entrance=entrance, trust_domains=self._trust_domains
        )
        apps = [clusters.app(self._app(port, view)) for port in ports]
        every = [listeners.listener(listener)]
        if tunnels.sends_hbone(proxy):
            every += tunnels.taken_apart(inbound.tunneled(ports, entrance), self._trust_domains)
            apps.append(waypoints.to_main())
        return {each["name"]: each for each in every}, {cluster["name"]: cluster for cluster in apps}

    def _app(self, port: inbound.Inbound, view: View) -> ir.AppUpstream:
        rule = view.reach.rule_inbound(port.service.host) if port.service else None
        policy = traffic_policy.for_port(rule.policy if rule else None, inbound.service_port(port))
        return subsets.of_app(
            port.port,
            port.protocol,
            traffic_policy.with_mesh(policy, self.snapshot.mesh_config),
            services=port.services[:1],
            pool=port.pool or view.scope.inbound_pool,
            address=port.app_address,
            app_port=port.app_port,
        )

    @property
    def _trust_domains(self) -> tuple[str, ...]:
        return model.trust_domains(self.snapshot.mesh_config)

    def entry(self, proxy: Proxy) -> gateways.Entry:
        """What a gateway's proxy listens on, between Istio's words and Envoy's."""
        view = self.view(proxy)
        servers = gateways.servers(self.gateways, self.services, proxy)
        context = gateways.Context(
            requests=http_routes.Context(
                port=0,
                gateways=(),
                namespace=proxy.namespace,
                labels=view.labels,
                ports_of=view.reach.ports_of,
                hash_of=view.reach.hash_of,
                default_retries=view.default_retries,
            ),
            connections=tcp_routes.Context(
                port=0, gateways=(), namespace=proxy.namespace, labels=view.labels, ports_of=view.reach.ports_of
            ),
            parts_of=view.reach.parts_of,
            entrance=self._entrance(proxy, self._telemetry(proxy, view.reach.clusters).outbound),
            memo=self.memo,
            key=view.key,
        )
        return gateways.entry(servers, self.virtual_services, context)

    def _router(self, proxy: Proxy, view: View) -> Config:
        entry = self.entry(proxy)
        every = [listeners.listener(listener) for listener in entry.listeners]
        tables = {t.name: self._gateway_table(t, view) for t in entry.tables}
        asked = [name for listener in entry.listeners for name in secrets.of_listener(listener)]
        asked += view.reach.secret_names
        references = {name for gateway in self.gateways for name in gateway.granted}
        granted = secrets.granted_to(asked, self.snapshot, proxy, references)
        return Config(
            clusters=view.reach.clusters,
            endpoints=view.reach.endpoints,
            listeners={x["name"]: x for x in every},
            routes=tables,
            secrets=granted.secrets,
            denied_secrets=granted.denied,
        )

    def _gateway_table(self, table: ir.RouteTable, view: View) -> Resource:
        return routes.table(
            table,
            [
                self.memo.get(
                    ("entered", view.key, table.name, host.name, host.domains),
                    (host,),
                    lambda host=host: routes.virtual_host(host),  # type: ignore[misc]
                )
                for host in table.hosts
            ],
        )


def _not_own(listeners: dict[str, Resource], proxy: Proxy) -> dict[str, Resource]:
    """Of a headless Service every endpoint has a listener, only not in its own sidecar."""
    own = f"{proxy.ip}_"
    if not any(name.startswith(own) for name in listeners):
        return listeners
    return {name: listener for name, listener in listeners.items() if not name.startswith(own)}


def index(snapshot: Snapshot, previous: Index | None = None) -> Index:
    """What all proxies share of a snapshot; what did not change is taken from the previous one."""
    renewed = Index(snapshot, previous)
    if previous is not None:
        previous.memo.forget_older()
    return renewed


def _with_unchanged(snapshot: Snapshot, previous: Index | None) -> Snapshot:
    """The snapshot, with objects that are made anew each time in their former identity where they say the same.

    Such are those that stand for objects of the Gateway API; the memo knows parts by identity.
    """
    changed: dict[str, Sequence[Object]] = {}
    for kind in (virtual_services.RESOURCE, GATEWAYS):
        # They come first.
        converted = list(takewhile(_is_made, snapshot.of(kind)))
        before = list(takewhile(_is_made, previous.snapshot.of(kind))) if previous is not None and converted else []
        if before:
            previous_by_name = {(resources.namespace_of(o), resources.name_of(o)): o for o in before}
            changed[kind] = [
                *(_unchanged(o, previous_by_name) for o in converted),
                *snapshot.of(kind)[len(converted) :],
            ]
    return replace(snapshot, objects={**snapshot.objects, **changed}) if changed else snapshot


def _is_made(obj: Object) -> bool:
    return virtual_services.PARENTS in resources.annotations_of(obj)


def _unchanged(obj: Object, previous_by_name: Mapping[tuple[str, str], Object]) -> Object:
    same = previous_by_name.get((resources.namespace_of(obj), resources.name_of(obj)))
    return same if same == obj and same is not None else obj


def _selectors(index: Index) -> Iterator[Mapping[str, str]]:
    """Every choice of workloads by label: who is chosen alike sees alike."""
    yield from scopes.selectors(index.snapshot)
    yield from index.rules.selectors
    for sources in index.memo.each("sources", (index.virtual_services,), lambda _, rule: rule.sources):
        yield from sources
