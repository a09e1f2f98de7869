"""The path of a connection between two pods, from the objects of a mesh: with sidecars, in ambient mode, or neither.

ztunnel sends what is for a Service to the Service's waypoint, and what is for a pod's own address to the pod. A sidecar
or gateway calls the pods behind a waypoint directly, unless the Service asks for ``istio.io/ingress-use-waypoint``.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import model, names
from labkit.mesh.ambient import authorizations, enrolment, strictness, tables
from labkit.mesh.ambient.waypoints import CLASS, Waypoint, Waypoints
from labkit.mesh.explain import hops
from labkit.mesh.explain.hops import Hop, Path
from labkit.mesh.policies import selection

SIDECARS, AMBIENT, OUTSIDE = "sidecars", "ambient", "outside"
"""How a pod takes part in the mesh."""

AROUND = "{waypoint} is not on this path: callers go to a waypoint by the Service, and this is a pod's own address."
WAYPOINT_CALLS = "Behind a waypoint the caller is the waypoint: policies at the pod that name {client} do not match."
DIRECT = "A client with a sidecar calls the pods directly, and {waypoint} is not asked."


class UnknownError(LookupError):
    """Nothing is called so; the message says what was looked for."""


@dataclass(frozen=True, kw_only=True)
class _Pod:
    obj: Object
    kind: str

    @property
    def name(self) -> str:
        return resources.name_of(self.obj)

    @property
    def namespace(self) -> str:
        return resources.namespace_of(self.obj)


class Paths:
    """Paths through one snapshot."""

    def __init__(self, snapshot: model.Snapshot) -> None:
        self._snapshot = snapshot
        self._waypoints = Waypoints(snapshot)
        self._tables = tables.of(snapshot, self._waypoints)
        self._domain = model.trust_domain(snapshot.mesh_config)

    def of(self, client: str, called: str, *, namespace: str, as_if: str = "") -> Path:
        """From a pod, by its name or label ``app``, to ``SERVICE:PORT``, ``SERVICE.NAMESPACE:PORT`` or ``IP:PORT``.

        ``as_if`` is ``sidecars`` or ``ambient``: both pods are taken to be in the mesh so. UnknownError.
        """
        caller = self._pod(client, namespace)
        host, _, _ = called.partition(":")
        service, target = self._called(host, namespace)
        server = self._as(target)
        if as_if:
            caller, server = replace(caller, kind=as_if), replace(server, kind=as_if)
        waypoint = self._waypoint(service, target)
        path = self._path(caller, server, waypoint, service)
        title = {SIDECARS: "with sidecars", AMBIENT: "in ambient mode"}.get(as_if, f"{client} calls {called}")
        return replace(path, title=title)

    def _path(self, caller: _Pod, server: _Pod, waypoint: Waypoint | None, service: Object | None) -> Path:
        on_the_way = waypoint if caller.kind == AMBIENT and waypoint is not None else None
        stops = [
            *self._start(caller, is_tunnel=on_the_way is not None or server.kind == AMBIENT, server=server),
            *([self._through(on_the_way, service, server)] if on_the_way else []),
            *self._end(server),
        ]
        return Path(title="", hops=tuple(stops), notes=tuple(self._notes(caller, server, waypoint, service)))

    # Hops

    def _start(self, caller: _Pod, *, is_tunnel: bool, server: _Pod) -> Iterable[Hop]:
        sends = hops.TUNNEL if is_tunnel else hops.MUTUAL if server.kind == SIDECARS else hops.IN_THE_OPEN
        identity = self._principal(caller) if sends != hops.IN_THE_OPEN else ""
        if caller.kind == OUTSIDE:
            yield Hop(role=hops.CLIENT, name=caller.name, sends=hops.IN_THE_OPEN)
        elif caller.kind == SIDECARS:
            yield Hop(role=hops.CLIENT, name=caller.name, sends=hops.IN_THE_POD)
            yield Hop(role=hops.SIDECAR, name=caller.name, identity=identity, sends=sends)
        else:
            yield Hop(role=hops.CLIENT, name=caller.name, sends=hops.ON_THE_NODE)
            yield Hop(role=hops.ZTUNNEL, name=_node(caller.obj), identity=identity, sends=sends)

    def _through(self, waypoint: Waypoint, service: Object | None, server: _Pod) -> Hop:
        sends = hops.TUNNEL if server.kind == AMBIENT else hops.MUTUAL if server.kind == SIDECARS else hops.IN_THE_OPEN
        return Hop(
            role=hops.WAYPOINT,
            name=waypoint.key,
            identity=f"{self._domain}/ns/{waypoint.namespace}/sa/{waypoint.name}",
            sends=sends,
            policies=self._at_waypoint(waypoint, service),
        )

    def _end(self, server: _Pod) -> Iterable[Hop]:
        if server.kind == AMBIENT:
            policies = self._at_ztunnel(server)
            yield Hop(role=hops.ZTUNNEL, name=_node(server.obj), sends=hops.ON_THE_NODE, policies=policies)
        elif server.kind == SIDECARS:
            yield Hop(role=hops.SIDECAR, name=server.name, sends=hops.IN_THE_POD, policies=self._at_sidecar(server))
        yield Hop(role=hops.SERVER, name=server.name)

    def _notes(self, caller: _Pod, server: _Pod, waypoint: Waypoint | None, service: Object | None) -> Iterable[str]:
        own = self._waypoint_of_services(server)
        if caller.kind == AMBIENT and waypoint is None and service is None and own is not None:
            yield AROUND.format(waypoint=own.key)
        if caller.kind == AMBIENT and waypoint is not None and self._names_clients(server):
            yield WAYPOINT_CALLS.format(client=self._principal(caller))
        if caller.kind == SIDECARS and waypoint is not None:
            yield DIRECT.format(waypoint=waypoint.key)

    # Policies

    def _at_ztunnel(self, server: _Pod) -> tuple[str, ...]:
        workload = self._tables.workloads.get(f"{names.CLUSTER}//Pod/{server.namespace}/{server.name}") or {}
        general = [
            key
            for key, policy in self._tables.policies.items()
            if policy.get("scope") is None or (policy["scope"], policy["namespace"]) == ("NAMESPACE", server.namespace)
        ]
        return tuple(map(_title, [*general, *(workload.get("authorizationPolicies") or ())]))

    def _at_waypoint(self, waypoint: Waypoint, service: Object | None) -> tuple[str, ...]:
        kinds = ("authorizationpolicies", "requestauthentications")
        listed = (p for kind in kinds for p in self._snapshot.of(f"{kind}.security.istio.io"))
        return tuple(_named(policy) for policy in listed if self._targets(policy, waypoint, service))

    def _targets(self, policy: Object, waypoint: Waypoint, service: Object | None) -> bool:
        place = resources.namespace_of(policy)
        own = {("Gateway", waypoint.namespace, waypoint.name), ("GatewayClass", self._snapshot.root_namespace, CLASS)}
        if service is not None:
            own.add(("Service", resources.namespace_of(service), resources.name_of(service)))
        targets = selection.targets_of(policy.get("spec") or {})
        return any((target.get("kind"), place, target.get("name")) in own for target in targets)

    def _at_sidecar(self, server: _Pod) -> tuple[str, ...]:
        labels, root = resources.labels_of(server.obj), self._snapshot.root_namespace
        attached = selection.attached(
            self._snapshot.of(authorizations.RESOURCE), root=root, namespace=server.namespace, labels=labels
        )
        return tuple(map(_named, attached))

    def _names_clients(self, server: _Pod) -> bool:
        """Whether a policy at the pod's ztunnel asks who calls."""
        keys = {title.partition(" ")[2] for title in self._at_ztunnel(server)}
        asked = ("principals", "serviceAccounts", "namespaces")
        matches = [
            match
            for key, policy in self._tables.policies.items()
            if key in keys
            for group in policy.get("groups") or ()
            for rule in group.get("rules") or ()
            for match in rule.get("matches") or ()
        ]
        return any(field in match for match in matches for field in asked)

    # Who is who

    def _pod(self, name: str, namespace: str) -> _Pod:
        pods = [p for p in self._snapshot.of("pods") if resources.namespace_of(p) == namespace and _runs(p)]
        for pod in pods:
            if name == resources.labels_of(pod).get("app") or resources.name_of(pod).startswith(name):
                return self._as(pod)
        raise UnknownError(f"no running pod of namespace {namespace} is called {name}")

    def _called(self, host: str, namespace: str) -> tuple[Object | None, Object]:
        """The Service, if it is one, and one of the pods that answer."""
        addressed = next((p for p in self._snapshot.of("pods") if (p.get("status") or {}).get("podIP") == host), None)
        if addressed is not None:
            return None, addressed
        if names.is_address(host):
            raise UnknownError(f"no pod has the address {host}")
        name, _, rest = host.partition(".")
        place = rest.partition(".")[0] or namespace
        service = next((s for s in self._snapshot.of("services") if _is(s, name, place)), None)
        if service is None:
            raise UnknownError(f"there is no Service {place}/{name}")
        selector = service["spec"].get("selector") or {}
        chosen = (
            p
            for p in self._snapshot.of("pods")
            if resources.namespace_of(p) == place and _runs(p) and selector.items() <= resources.labels_of(p).items()
        )
        pod = next(chosen, None) if selector else None
        if pod is None:
            raise UnknownError(f"no running pod is behind Service {place}/{name}")
        return service, pod

    def _waypoint(self, service: Object | None, pod: Object) -> Waypoint | None:
        binding = self._waypoints.of_service(service) if service is not None else self._waypoints.of_workload(pod)
        return binding.waypoint

    def _waypoint_of_services(self, server: _Pod) -> Waypoint | None:
        labels = resources.labels_of(server.obj)
        services = (s for s in self._snapshot.of("services") if resources.namespace_of(s) == server.namespace)
        bindings = [
            self._waypoints.of_service(s)
            for s in services
            if s["spec"].get("selector") and s["spec"]["selector"].items() <= labels.items()
        ]
        return next((b.waypoint for b in bindings if b.waypoint is not None), None)

    def _as(self, pod: Object) -> _Pod:
        if enrolment.SIDECAR in resources.annotations_of(pod):
            return _Pod(obj=pod, kind=SIDECARS)
        return _Pod(obj=pod, kind=AMBIENT if enrolment.is_redirected(pod) else OUTSIDE)

    def _principal(self, pod: _Pod) -> str:
        account = (pod.obj.get("spec") or {}).get("serviceAccountName") or "default"
        return f"{self._domain}/ns/{pod.namespace}/sa/{account}"


def _title(key: str) -> str:
    """``AuthorizationPolicy ns/name`` of a policy that ztunnel is told of."""
    namespace, _, name = key.partition("/")
    if name == strictness.STATIC:
        return "PeerAuthentication (STRICT)"
    if name.startswith(strictness.PREFIX):
        return f"PeerAuthentication {namespace}/{name.removeprefix(strictness.PREFIX)}"
    return f"AuthorizationPolicy {key}"


def _named(policy: Object) -> str:
    return f"{policy.get('kind', 'Policy')} {resources.namespace_of(policy)}/{resources.name_of(policy)}"


def _node(pod: Object) -> str:
    return f"node {(pod.get('spec') or {}).get('nodeName') or '?'}"


def _runs(pod: Object) -> bool:
    is_going = "deletionTimestamp" in pod["metadata"]
    return not is_going and bool((pod.get("status") or {}).get("podIP"))


def _is(service: Object, name: str, namespace: str) -> bool:
    return (resources.name_of(service), resources.namespace_of(service)) == (name, namespace)
