"""Who may call whom in ambient mode: calls with what should become of them, and which proxy did otherwise, and why."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.exercises import verdict
from labkit.exercises.diagnosis import cause, objects
from labkit.exercises.diagnosis.cause import Cause
from labkit.exercises.evidence import Evidence
from labkit.exercises.verdict import Verdict
from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import model, names
from labkit.mesh.ambient import authorizations, decisions, enrolment, tables, waypoints
from labkit.mesh.explain import access
from labkit.mesh.policies import authorization, selection
from labkit.mesh.policies.decisions import Caller, Decision, Request

ANSWERED, REFUSED, CLOSED = 200, 403, 0
"""What a caller sees: an answer, a refusal by somebody who speaks HTTP, or a connection that is closed."""

_SEEN = {CLOSED: "no answer"}


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request of curl's, and what should become of it."""

    app: str
    """The label ``app`` of the pods that are called."""

    path: str
    seen: int
    """200, 403, or 0 for no answer."""

    method: str = "GET"
    at_pod: bool = False
    """Whether a pod's own address is called instead of the Service."""

    def __str__(self) -> str:
        to = f"a pod of {self.app}" if self.at_pod else self.app
        return f"curl: {'' if self.method == 'GET' else self.method + ' '}{to}{self.path}"


PORT = 9080
"""Of every Service of Bookinfo, and of its pods."""


def answer_of(status: int) -> str:
    """A status in words; ``no answer`` for none."""
    return _SEEN.get(status, str(status))


def judge(evidence: Evidence, calls: Sequence[Call]) -> Verdict:
    """Whether every call ends as it should; of the first that does not, why."""
    scene = Scene(evidence)
    expected = "; ".join(f"{call} → {answer_of(call.seen)}" for call in calls)
    statuses = [measured(evidence, scene, call) for call in calls]
    observed = "; ".join(f"{call} → {answer_of(status)}" for call, status in zip(calls, statuses, strict=True))
    for call, status in zip(calls, statuses, strict=True):
        if status != call.seen:
            return verdict.because(expected, observed, cause.ranked(scene.causes(call, status)))
    return verdict.passed(expected, observed)


def measured(evidence: Evidence, scene: "Scene", call: Call) -> int:
    """The status that curl sees."""
    host = scene.address(call.app) if call.at_pod else call.app
    options = ("-X", call.method) if call.method != "GET" else ()
    return evidence.curl(f"http://{host}:{PORT}{call.path}", *options).status


class Scene:
    """Policies, pods and waypoints as they are now."""

    def __init__(self, evidence: Evidence) -> None:
        kinds = (
            resources.AUTHORIZATION_POLICIES,
            resources.PEER_AUTHENTICATIONS,
            resources.SERVICES,
            resources.PODS,
            resources.NAMESPACES,
            resources.KUBE_GATEWAYS,
            resources.GATEWAY_CLASSES,
            resources.ENDPOINT_SLICES,
        )
        listed = {_key(kind): evidence.everywhere(kind) for kind in kinds}
        self._namespace = evidence.namespace
        self._snapshot = model.Snapshot(objects=listed, is_ambient=True)
        self._waypoints = waypoints.Waypoints(self._snapshot)
        self._tables = tables.of(self._snapshot, self._waypoints)

    def address(self, app: str) -> str:
        """The address of a pod by its label; empty where none runs."""
        pod = self._pod(app)
        return str((pod.get("status") or {}).get("podIP", "")) if pod else ""

    def causes(self, call: Call, status: int) -> list[Cause]:
        """Why a call ended otherwise."""
        pod, client = self._pod(call.app), self._pod("curl")
        if pod is None or client is None:
            missing = call.app if pod is None else "curl"
            return [cause.shown(f"no running pod has the label app={missing}", "kubectl get pods")]
        outside = [self._outside(p) for p in (client, pod) if not enrolment.is_redirected(p)]
        if outside:
            return outside
        waypoint = None if call.at_pod else self.waypoint(call.app)
        if status == REFUSED or call.seen == REFUSED:
            return self._at_waypoint(call, pod, client, waypoint, is_refused=status == REFUSED)
        if call.seen == CLOSED:
            return self._too_open(call, pod, client, waypoint)
        return self._too_closed(pod, client, waypoint)

    def why_closed(self, client: str, app: str) -> list[Cause]:
        """Why pods of one app get no answer from another's."""
        caller, pod = self._pod(client), self._pod(app)
        if caller is None or pod is None:
            return [
                cause.shown(f"no running pod has the label app={app if pod is None else client}", "kubectl get pods")
            ]
        waypoint = self.waypoint(app)
        return cause.ranked([*self._too_closed(pod, caller, waypoint), *self._apart(app, waypoint)])

    def waypoint(self, app: str) -> waypoints.Waypoint | None:
        """The waypoint of a Service."""
        service = self._service(app)
        return self._waypoints.of_service(service).waypoint if service else None

    def why_no_waypoint(self, app: str) -> Cause:
        """Why calls to a Service go to its pods directly."""
        service = self._service(app)
        binding = self._waypoints.of_service(service) if service else waypoints.NONE
        labels = resources.labels_of(service or {})
        if waypoints.USE_WAYPOINT not in labels and not binding.message:
            sentence = f"Service {app} has no waypoint: neither it nor its namespace has {waypoints.USE_WAYPOINT}"
            return cause.shown(sentence, f"kubectl label service {app} {waypoints.USE_WAYPOINT}=waypoint")
        return cause.shown(f"Service {app} has no waypoint: {binding.message or 'its waypoint does not carry it'}")

    # Which proxy, and why

    def _at_waypoint(
        self, call: Call, pod: Object, client: Object, waypoint: waypoints.Waypoint | None, *, is_refused: bool
    ) -> list[Cause]:
        apart = self._apart(call.app, waypoint)
        if waypoint is None:
            return [*apart, self.why_no_waypoint(call.app)]
        decision = self._asked(call, pod, client, waypoint)
        if not is_refused and call.seen == REFUSED:
            if decision.rule:
                return [cause.shown(f"{access.title(decision.rule)} allows {call.method}"), *apart]
            return [*apart, cause.undecided(f"no policy of the waypoint {waypoint.key} refuses {call.method}")]
        if decision.rule:
            return [cause.shown(f"{access.title(decision.rule)} denies it at the waypoint")]
        lacking = self._guard(pod, waypoint).lacking(*self._question(call, pod, client))
        return [*apart, cause.undecided(f"no ALLOW rule of the waypoint applies: {lacking[0] if lacking else 'none'}")]

    def _too_open(self, call: Call, pod: Object, client: Object, waypoint: waypoints.Waypoint | None) -> list[Cause]:
        apart = self._apart(call.app, waypoint)
        decision = self._decision(pod, client, waypoint)
        if decision.policy:
            return [cause.shown(f"AuthorizationPolicy {decision.policy} allows it at ztunnel"), *apart]
        sentence = f"no policy that ztunnel asks about {call.app} refuses this caller"
        return [*apart, cause.undecided(f"{sentence}: those with targetRefs are asked at the waypoint alone")]

    def _too_closed(self, pod: Object, client: Object, waypoint: waypoints.Waypoint | None) -> list[Cause]:
        decision = self._decision(pod, client, waypoint)
        if decision.is_allowed:
            return [
                cause.undecided("the policies allow it, so the connection was closed by somebody else: does it run?")
            ]
        if decision.policy:
            return [cause.shown(f"{_named(decision.policy)} refuses it at ztunnel")]
        omitted = self._omitted(pod)
        asked = decisions.asked(self._tables, _uid(pod))
        allowing = [f"AuthorizationPolicy {k}" for k, p in asked.items() if p.get("action") != authorizations.DENY]
        who = self._caller(client, waypoint)
        behind = ", the waypoint's identity, since the waypoint calls the pod" if waypoint else ""
        sentence = f"ztunnel closes the connection: no rule of {', '.join(allowing)} allows {who}{behind}"
        names = [text for policy in asked.values() for text in _principals(policy)]
        expected = f"; asked for is {' or '.join(names)}" if names else ""
        return [*omitted, cause.shown(f"{sentence}{expected}")]

    def _omitted(self, pod: Object) -> list[Cause]:
        """Policies of the pod whose rules ask for what ztunnel does not know."""
        asked = decisions.asked(self._tables, _uid(pod))
        return [
            cause.shown(f"{objects.title(c.policy)}: {c.message}")
            for c in self._tables.converted
            if c.reason == authorizations.UNSUPPORTED and _of(c.policy) in asked
        ]

    def _apart(self, app: str, waypoint: waypoints.Waypoint | None) -> list[Cause]:
        """Policies that do not count for a Service or its pods although somebody may think so, and why."""
        return [each for policy in self._policies for each in self._why_apart(policy, app, waypoint)]

    def _why_apart(self, policy: Object, app: str, waypoint: waypoints.Waypoint | None) -> Iterable[Cause]:
        title, spec = objects.title(policy), objects.spec_of(policy)
        namespace, root = resources.namespace_of(policy), self._snapshot.root_namespace
        if namespace not in (self._namespace, root):
            yield cause.silent(f"{title} counts in namespace {namespace} alone, and {app} is in {self._namespace}")
            return
        if resources.annotations_of(policy).get(authorization.DRY_RUN) in authorization.TRUE:
            yield cause.shown(f"{title} is a dry run: it only notes what it would do")
        targets = selection.targets_of(spec)
        if not targets:
            chosen: Mapping[str, str] = (spec.get("selector") or {}).get("matchLabels") or {}
            if chosen and chosen.get("app") != app:
                yield cause.silent(f"the selector of {title} asks for {objects.pairs(chosen)}, and this is app={app}")
            elif (told := authorizations.of(policy, root)).reason == authorizations.UNSUPPORTED:
                yield cause.shown(f"{title}: {told.message}")
            return
        if waypoint is None:
            yield self.why_no_waypoint(app)
        elif not self._is_for(policy, app, waypoint):
            listed = ", ".join(f"{t.get('kind')} {t.get('name')}" for t in targets)
            yield cause.silent(f"targetRefs of {title} names {listed}, and this is Service {app}")

    # Models of both proxies

    def _decision(self, pod: Object, client: Object, waypoint: waypoints.Waypoint | None) -> decisions.Decision:
        address = str((pod.get("status") or {}).get("podIP", ""))
        connection = decisions.Connection(
            principal=self._caller(client, waypoint),
            source_ip=str((client.get("status") or {}).get("podIP", "")),
            destination_ip=address,
            destination_port=PORT,
        )
        return decisions.decide(self._tables, _uid(pod), connection)

    def _asked(self, call: Call, pod: Object, client: Object, waypoint: waypoints.Waypoint) -> Decision:
        return self._guard(pod, waypoint).decide(*self._question(call, pod, client))

    def _guard(self, pod: Object, waypoint: waypoints.Waypoint) -> access.Mesh:
        """The waypoint's policies for the pod's Service, as if a sidecar of the pod had them."""
        app = resources.labels_of(pod).get("app", "")
        chosen = [_for_pods(p, app) for p in self._policies if self._is_for(p, app, waypoint)]
        own = {**self._snapshot.objects, _key(resources.AUTHORIZATION_POLICIES): chosen}
        return access.Mesh(model.Snapshot(objects=own))

    def _question(self, call: Call, pod: Object, client: Object) -> tuple[Caller, access.Workload, Request]:
        workload = access.Workload(
            name=resources.name_of(pod),
            namespace=resources.namespace_of(pod),
            account=_account(pod),
            labels=resources.labels_of(pod),
            address=str((pod.get("status") or {}).get("podIP", "")),
            has_proxy=True,
        )
        request = Request(port=PORT, method=call.method, host=call.app, path=call.path, headers={})
        return Caller(principal=names.spiffe(_account(client), model.TRUST_DOMAIN), claims={}), workload, request

    def _is_for(self, policy: Object, app: str, waypoint: waypoints.Waypoint) -> bool:
        own = {("Service", app), ("Gateway", waypoint.name)}
        targets = selection.targets_of(objects.spec_of(policy))
        return any((target.get("kind"), target.get("name")) in own for target in targets)

    # Who is who

    @property
    def _policies(self) -> Sequence[Object]:
        return self._snapshot.of(_key(resources.AUTHORIZATION_POLICIES))

    def _pod(self, app: str) -> Object | None:
        pods = self._snapshot.of("pods")
        return next((p for p in pods if _runs(p, self._namespace) and resources.labels_of(p).get("app") == app), None)

    def _service(self, app: str) -> Object | None:
        every = self._snapshot.of("services")
        own = (app, self._namespace)
        return next((s for s in every if (resources.name_of(s), resources.namespace_of(s)) == own), None)

    def _caller(self, client: Object, waypoint: waypoints.Waypoint | None) -> str:
        """Whose certificate the pod's ztunnel sees."""
        account = f"{waypoint.namespace}/{waypoint.name}" if waypoint else _account(client)
        namespace, _, name = account.partition("/")
        return f"{model.TRUST_DOMAIN}/ns/{namespace}/sa/{name}"

    def _outside(self, pod: Object) -> Cause:
        place = next((n for n in self._snapshot.of("namespaces") if resources.name_of(n) == self._namespace), None)
        reason = enrolment.of(pod, place).reason
        return cause.shown(f"pod {resources.name_of(pod)} is not in ambient mode: {reason}", 'lab.dataplane("ambient")')


def routes(evidence: Evidence, service: str, shares: Mapping[str, int]) -> list[Cause]:
    """Why the versions of a Service do not get these shares of its requests, by its HTTPRoutes."""
    scene, own = Scene(evidence), evidence.everywhere(resources.HTTP_ROUTES)
    if scene.waypoint(service) is None:
        return [scene.why_no_waypoint(service)]
    services = {resources.name_of(s) for s in evidence.resources(resources.SERVICES)}
    causes = [each for route in own for each in _of_route(route, service, shares, services)]
    missing = cause.undecided(f"no HTTPRoute has Service {service} as its parent, so all its pods take turns")
    return cause.ranked(causes or [missing])


def _of_route(route: Object, service: str, shares: Mapping[str, int], services: Collection[str]) -> Iterable[Cause]:
    title, spec = objects.title(route), objects.spec_of(route)
    parents = [f"{p.get('kind') or 'Gateway'} {p.get('name')}" for p in spec.get("parentRefs") or []]
    if f"Service {service}" not in parents:
        if any(parent.startswith("Service ") for parent in parents):
            yield cause.silent(f"the parent of {title} is {', '.join(parents)}, and this is Service {service}")
        return
    first: Mapping[str, Any] = next(iter(spec.get("rules") or []), {})
    weights = {str(b.get("name")): int(b.get("weight", 1)) for b in first.get("backendRefs") or []}
    for name in weights.keys() - services:
        yield cause.shown(f"{title}: there is no Service {name}", "kubectl get services")
    whole = sum(weights.values())
    for version, share in shares.items():
        given = 100 * weights.get(f"{service}-{version}", 0) / whole if whole else 0
        if round(given) != share:
            amount = f"{given:.0f} %" if given else "nothing"
            yield cause.shown(
                f"{title} gives {service}-{version} {amount} of the requests, and {share} % are asked for"
            )


def _for_pods(policy: Object, app: str) -> Object:
    spec = {k: v for k, v in objects.spec_of(policy).items() if k not in ("targetRefs", "targetRef")}
    return {**policy, "spec": {**spec, "selector": {"matchLabels": {"app": app}}}}


def _principals(policy: authorizations.Authorization) -> list[str]:
    """The principals that a policy names in full."""
    rules = (rule for group in policy.get("groups") or () for rule in group.get("rules") or ())
    matches = (match for rule in rules for match in rule.get("matches") or ())
    return [text["exact"] for match in matches for text in match.get("principals") or () if "exact" in text]


def _named(key: str) -> str:
    return "STRICT mutual TLS" if "istio_converted" in key else f"AuthorizationPolicy {key}"


def _of(policy: Object) -> str:
    return f"{resources.namespace_of(policy)}/{resources.name_of(policy)}"


def _uid(pod: Object) -> str:
    return f"{names.CLUSTER}//Pod/{resources.namespace_of(pod)}/{resources.name_of(pod)}"


def _account(pod: Object) -> str:
    return f"{resources.namespace_of(pod)}/{(pod.get('spec') or {}).get('serviceAccountName') or 'default'}"


def _runs(pod: Object, namespace: str) -> bool:
    is_going = "deletionTimestamp" in pod["metadata"]
    return not is_going and resources.namespace_of(pod) == namespace and bool((pod.get("status") or {}).get("podIP"))


def _key(kind: resources.Resource) -> str:
    return f"{kind.plural}.{kind.group}" if kind.group else kind.plural
