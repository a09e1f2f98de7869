"""The path of a connection between two pods, from the objects of a mesh: with sidecars, in ambient mode, or neither.

ztunnel sends what is for a Service to the Service's waypoint, and what is for a pod's own address to the pod. Everybody
else calls the pods behind a waypoint directly; a gateway does not where ``istio.io/ingress-use-waypoint`` is set.
"""

from collections.abc import Iterable
from dataclasses import replace

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import model, names
from labkit.mesh.ambient import authorizations, strictness, tables
from labkit.mesh.ambient.waypoints import CLASS, Waypoint, Waypoints
from labkit.mesh.explain import hops, participants
from labkit.mesh.explain.hops import Hop, Path
from labkit.mesh.explain.participants import AMBIENT, GATEWAY, OUTSIDE, SIDECARS, Participant
from labkit.mesh.policies import selection

AROUND = "{waypoint} is not on this path: callers go to a waypoint by the Service, and this is a pod's own address."
WAYPOINT_CALLS = "Behind a waypoint the caller is the waypoint: policies at the pod that name {client} do not match."
DIRECT = "{caller} calls the pods directly, and {waypoint} is not asked."
CALLERS = {
    SIDECARS: "A client with a sidecar",
    OUTSIDE: "A client outside the mesh",
    GATEWAY: "Without the label istio.io/ingress-use-waypoint=true on the Service a gateway",
}
HEADLESS = (
    "The Service has no address of its own (clusterIP: None), so callers call its pods and {waypoint} is not asked."
)
PLAIN = (
    "{caller} sends plain text: its proxy began before Istio had ambient mode switched on. "
    "Next: kubectl -n {namespace} delete pod {caller}"
)


class UnknownError(LookupError):
    """Nothing is called so; the message says what was looked for."""


class Paths:
    """Paths through one snapshot."""

    def __init__(self, snapshot: model.Snapshot) -> None:
        self._snapshot = snapshot
        self._waypoints = Waypoints(snapshot)
        self._tables = tables.of(snapshot, self._waypoints)
        self._domain = model.trust_domain(snapshot.mesh_config)

    def of(self, client: str, called: str, *, namespace: str, as_if: str = "") -> Path:
        """From a pod to ``SERVICE:PORT``, ``SERVICE.NAMESPACE:PORT`` or ``IP:PORT``.

        The pod is called by its name or its label ``app``, in another namespace with ``.NAMESPACE`` behind it.
        ``as_if`` is ``sidecars`` or ``ambient``: both pods are taken to be in the mesh so. UnknownError.
        """
        caller = self._pod(client, namespace)
        host, _, _ = called.partition(":")
        service, target = self._called(host, namespace)
        server = participants.of(target)
        if as_if:
            caller, server = caller.as_if(as_if), server.as_if(as_if)
        waypoint = self._waypoint(service, target)
        path = self._path(caller, server, waypoint, service)
        title = {SIDECARS: "with sidecars", AMBIENT: "in ambient mode"}.get(as_if, f"{client} calls {called}")
        return replace(path, title=title)

    def _path(
        self, caller: Participant, server: Participant, waypoint: Waypoint | None, service: Object | None
    ) -> Path:
        on_the_way = waypoint if waypoint is not None and self._asks(caller, service) else None
        stops = [
            *self._start(caller, sends=hops.TUNNEL if on_the_way else _sends(caller, server)),
            *([self._through(on_the_way, service, server)] if on_the_way else []),
            *self._end(server),
        ]
        return Path(title="", hops=tuple(stops), notes=tuple(self._notes(caller, server, waypoint, service)))

    def _asks(self, caller: Participant, service: Object | None) -> bool:
        """Whether a caller goes to the waypoint of what it calls."""
        if caller.kind == GATEWAY:
            is_labelled = service is not None and self._waypoints.ingress_label(service) == "true"
            return is_labelled and caller.sends_tunnels
        return caller.kind == AMBIENT

    # Hops

    def _start(self, caller: Participant, *, sends: str) -> Iterable[Hop]:
        identity = self._principal(caller) if sends != hops.IN_THE_OPEN else ""
        if caller.kind == OUTSIDE:
            yield Hop(role=hops.CLIENT, name=caller.name, sends=hops.IN_THE_OPEN)
        elif caller.kind == GATEWAY:
            policies = self._at_envoy(caller)
            yield Hop(role=hops.GATEWAY, name=caller.name, identity=identity, sends=sends, policies=policies)
        elif caller.kind == SIDECARS:
            yield Hop(role=hops.CLIENT, name=caller.name, sends=hops.IN_THE_POD)
            yield Hop(role=hops.SIDECAR, name=caller.name, identity=identity, sends=sends)
        else:
            yield Hop(role=hops.CLIENT, name=caller.name, sends=hops.ON_THE_NODE)
            yield Hop(role=hops.ZTUNNEL, name=_node(caller.obj), identity=identity, sends=sends)

    def _through(self, waypoint: Waypoint, service: Object | None, server: Participant) -> Hop:
        sends = hops.TUNNEL if server.takes_tunnels else hops.IN_THE_OPEN
        return Hop(
            role=hops.WAYPOINT,
            name=waypoint.key,
            identity=f"{self._domain}/ns/{waypoint.namespace}/sa/{waypoint.name}" if server.takes_tunnels else "",
            sends=sends,
            policies=self._at_waypoint(waypoint, service),
        )

    def _end(self, server: Participant) -> Iterable[Hop]:
        if server.kind == AMBIENT:
            policies = self._at_ztunnel(server)
            yield Hop(role=hops.ZTUNNEL, name=_node(server.obj), sends=hops.ON_THE_NODE, policies=policies)
        elif server.kind == SIDECARS:
            yield Hop(role=hops.SIDECAR, name=server.name, sends=hops.IN_THE_POD, policies=self._at_envoy(server))
        yield Hop(role=hops.SERVER, name=server.name)

    def _notes(
        self, caller: Participant, server: Participant, waypoint: Waypoint | None, service: Object | None
    ) -> Iterable[str]:
        own = self._waypoint_of_services(server)
        if caller.kind == AMBIENT and waypoint is None and own is not None:
            if service is None:
                yield AROUND.format(waypoint=own.key)
            elif _is_headless(service):
                yield HEADLESS.format(waypoint=own.key)
        if waypoint is not None and self._asks(caller, service):
            if self._names_clients(server):
                yield WAYPOINT_CALLS.format(client=self._principal(caller))
        elif waypoint is not None:
            yield DIRECT.format(caller=CALLERS[caller.kind], waypoint=waypoint.key)
        if caller.has_envoy and server.takes_tunnels and not (server.takes_mutual_tls or caller.sends_tunnels):
            yield PLAIN.format(caller=caller.name, namespace=caller.namespace)

    # Policies

    def _at_ztunnel(self, server: Participant) -> tuple[str, ...]:
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

    def _at_envoy(self, server: Participant) -> tuple[str, ...]:
        labels, root = resources.labels_of(server.obj), self._snapshot.root_namespace
        attached = selection.attached(
            self._snapshot.of(authorizations.RESOURCE), root=root, namespace=server.namespace, labels=labels
        )
        return tuple(map(_named, attached))

    def _names_clients(self, server: Participant) -> bool:
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

    def _pod(self, name: str, namespace: str) -> Participant:
        own, _, place = name.partition(".")
        place = place or namespace
        for pod in self._snapshot.of("pods"):
            is_called = own == resources.labels_of(pod).get("app") or resources.name_of(pod).startswith(own)
            if is_called and resources.namespace_of(pod) == place and _runs(pod):
                return participants.of(pod)
        raise UnknownError(f"no running pod of namespace {place} is called {own}")

    def _called(self, host: str, namespace: str) -> tuple[Object | None, Object]:
        """The Service, if it is one, and one of the pods that answer."""
        addressed = next((p for p in self._snapshot.of("pods") if (p.get("status") or {}).get("podIP") == host), None)
        if addressed is not None:
            return None, addressed
        service = next((s for s in self._snapshot.of("services") if host in _addresses(s)), None)
        if service is not None:
            name, place = resources.name_of(service), resources.namespace_of(service)
        elif names.is_address(host):
            raise UnknownError(f"no pod and no Service has the address {host}")
        else:
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
        if service is None or _is_headless(service):
            return self._waypoints.of_workload(pod).waypoint
        return self._waypoints.of_service(service).waypoint

    def _waypoint_of_services(self, server: Participant) -> Waypoint | None:
        labels = resources.labels_of(server.obj)
        services = (s for s in self._snapshot.of("services") if resources.namespace_of(s) == server.namespace)
        bindings = [
            self._waypoints.of_service(s)
            for s in services
            if s["spec"].get("selector") and s["spec"]["selector"].items() <= labels.items()
        ]
        return next((b.waypoint for b in bindings if b.waypoint is not None), None)

    def _principal(self, pod: Participant) -> str:
        account = (pod.obj.get("spec") or {}).get("serviceAccountName") or "default"
        return f"{self._domain}/ns/{pod.namespace}/sa/{account}"


def _sends(caller: Participant, server: Participant) -> str:
    """How a caller reaches a pod without anything between them."""
    if caller.has_envoy and server.takes_mutual_tls:
        return hops.MUTUAL
    return hops.TUNNEL if caller.sends_tunnels and server.takes_tunnels else hops.IN_THE_OPEN


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


def _addresses(service: Object) -> set[str]:
    spec = service["spec"]
    return {*(spec.get("clusterIPs") or ()), spec.get("clusterIP") or ""} - {"", "None"}


def _is_headless(service: Object) -> bool:
    return bool(service["spec"].get("clusterIP") == "None")
