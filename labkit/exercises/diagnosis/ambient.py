"""Who may call whom in ambient mode: calls with what should become of them, and which proxy did otherwise, and why."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

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
from labkit.mesh.policies.decisions import Caller, Request

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
        return _address(pod) if pod else ""

    def causes(self, call: Call, status: int) -> list[Cause]:
        """Why a call ended otherwise."""
        pod, client = self._pod(call.app), self._pod("curl")
        if pod is None or client is None:
            missing = call.app if pod is None else "curl"
            return [cause.shown(f"no running pod has the label app={missing}", "kubectl get pods")]
        if outside := [self._outside(p) for p in (client, pod) if not enrolment.is_redirected(p)]:
            return outside
        waypoint = None if call.at_pod else self.waypoint(call.app)
        if status == REFUSED or call.seen == REFUSED:
            return self._at_waypoint(call, pod, client, waypoint, is_refused=status == REFUSED)
        if call.seen == CLOSED:
            return self._too_open(call, pod, client, waypoint)
        return self._too_closed(pod, client, waypoint)

    def why_closed(self, *way: str) -> list[Cause]:
        """Why the first closed call on a way from app to app is closed: ``("productpage", "reviews", "ratings")``."""
        for client, app in pairwise(way):
            caller, pod = self._pod(client), self._pod(app)
            if caller is None or pod is None:
                missing = app if pod is None else client
                return [cause.shown(f"no running pod has the label app={missing}", "kubectl get pods")]
            waypoint = self.waypoint(app)
            if not self._decision(pod, caller, waypoint).is_allowed:
                causes = [*self._too_closed(pod, caller, waypoint), *self._apart(pod, waypoint)]
                return [each.about(f"{client} → {app}") for each in cause.ranked(causes)]
        return [cause.undecided("the policies allow it, so somebody else closed the connection: does every pod run?")]

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
        apart = self._apart(pod, waypoint)
        if waypoint is None:
            return [*apart, self.why_no_waypoint(call.app)]
        guard, question = self._guard(pod, waypoint), self._question(call, pod, client)
        decision = guard.decide(*question)
        if not is_refused:
            if decision.rule and decision.is_allowed:
                return [cause.shown(f"{access.title(decision.rule)} allows {call.method}"), *apart]
            denying = guard.lacking(*question, action=authorizations.DENY)
            nearest = f": {denying[0]}" if denying else self._only_noted()
            return [*apart, cause.undecided(f"no policy of the waypoint {waypoint.key} refuses {call.method}{nearest}")]
        if decision.rule:
            return [cause.shown(f"{access.title(decision.rule)} denies it at the waypoint")]
        lacking = guard.lacking(*question)
        return [*apart, cause.undecided(f"no ALLOW rule of the waypoint applies: {lacking[0] if lacking else 'none'}")]

    def _only_noted(self) -> str:
        noting = [objects.title(p) for p in self._policies if objects.spec_of(p).get("action") == "AUDIT"]
        return f": {noting[0]} has the action AUDIT, which only notes" if noting else ""

    def _too_open(self, call: Call, pod: Object, client: Object, waypoint: waypoints.Waypoint | None) -> list[Cause]:
        apart, who = self._apart(pod, waypoint), self._caller(client, waypoint)
        calls = f"curl calls as {who}"
        if waypoint:
            calls = f"the waypoint calls as {who}"
        decision = self._decision(pod, client, waypoint)
        if decision.policy:
            return [cause.shown(f"AuthorizationPolicy {decision.policy} allows it at ztunnel: {calls}"), *apart]
        denying = self._at_ztunnel(pod).lacking(*self._connected(pod, client, waypoint), action=authorizations.DENY)
        if denying:
            return [*apart, cause.undecided(f"no DENY rule refuses it at ztunnel: {denying[0]}")]
        return [*apart, cause.undecided(f"no policy that ztunnel asks about {call.app} refuses it: {calls}")]

    def _too_closed(self, pod: Object, client: Object, waypoint: waypoints.Waypoint | None) -> list[Cause]:
        decision = self._decision(pod, client, waypoint)
        if decision.is_allowed:
            return [
                cause.undecided("the policies allow it, so the connection was closed by somebody else: does it run?")
            ]
        if decision.policy:
            return [cause.shown(f"{_named(decision.policy)} refuses it at ztunnel")]
        who, app = self._caller(client, waypoint), resources.labels_of(pod).get("app")
        behind = ", the waypoint's identity, since the waypoint calls the pod" if waypoint else ""
        lacking = self._at_ztunnel(pod).lacking(*self._connected(pod, client, waypoint))
        general = [objects.title(p) for p in self._untargeted if not objects.spec_of(p).get("selector")]
        wide = f"; {general[0]} has no selector, so it is for every pod, and for {app} too" if general else ""
        why = f": {lacking[0]}" if lacking else ""
        sentence = f"ztunnel closes the connection of {who}{behind}: no ALLOW rule applies to it{why}{wide}"
        return [*self._omitted(pod), cause.shown(sentence)]

    def _omitted(self, pod: Object) -> list[Cause]:
        """Policies of the pod whose rules ask for what ztunnel does not know."""
        asked = decisions.asked(self._tables, _uid(pod))
        return [
            cause.shown(f"{objects.title(c.policy)}: {c.message}")
            for c in self._tables.converted
            if c.reason == authorizations.UNSUPPORTED and _of(c.policy) in asked
        ]

    def _apart(self, pod: Object, waypoint: waypoints.Waypoint | None) -> list[Cause]:
        """Policies that do not count for a pod or its Service although somebody may think so, and why."""
        return [each for policy in self._policies for each in self._why_apart(policy, pod, waypoint)]

    def _why_apart(self, policy: Object, pod: Object, waypoint: waypoints.Waypoint | None) -> Iterable[Cause]:
        labels = resources.labels_of(pod)
        app, title, spec = labels.get("app", ""), objects.title(policy), objects.spec_of(policy)
        namespace, root = resources.namespace_of(policy), self._snapshot.root_namespace
        if namespace not in (self._namespace, root):
            yield cause.silent(f"{title} counts in namespace {namespace} alone, and {app} is in {self._namespace}")
            return
        if authorization.is_trial(policy):
            yield cause.shown(f"{title} is a dry run: it only notes what it would do")
        targets = selection.targets_of(spec)
        if not targets:
            chosen: Mapping[str, str] = (spec.get("selector") or {}).get("matchLabels") or {}
            if wrong := {key: value for key, value in chosen.items() if labels.get(key) != value}:
                own = {key: labels[key] for key in wrong if key in labels}
                seen = f"{app} has {objects.pairs(own)}" if own else f"{app} has no such label"
                yield cause.silent(f"the selector of {title} asks for {objects.pairs(wrong)}, and {seen}")
            elif (told := authorizations.of(policy, root)).reason == authorizations.UNSUPPORTED:
                yield cause.shown(f"{title}: {told.message}")
            return
        if waypoint is None:
            yield self.why_no_waypoint(app)
        elif not selection.at_waypoint([policy], self._place(app, waypoint), root=root):
            yield cause.silent(self._astray(policy, app, waypoint))

    def _astray(self, policy: Object, app: str, waypoint: waypoints.Waypoint) -> str:
        """Why the targets of a policy are not the Service of an app, nor its waypoint."""
        targets = selection.targets_of(objects.spec_of(policy))
        title, namespace = objects.title(policy), resources.namespace_of(policy)
        listed = ", ".join(f"{t.get('kind')} {t.get('name')}" for t in targets)
        own = {"Service": [resources.name_of(s) for s in self._snapshot.of("services")], "Gateway": [waypoint.name]}
        if namespace != self._namespace:
            return f"targetRefs of {title} means objects of its own namespace, {namespace}: {listed}"
        for target in targets:
            name, names_ = str(target.get("name")), own.get(str(target.get("kind")), [])
            if name not in names_ and (meant := objects.did_you_mean(name, names_)):
                return f"targetRefs of {title} names {listed}, which does not exist{meant}"
        return f"targetRefs of {title} names {listed}, and this is Service {app}"

    # Models of both proxies

    def _decision(self, pod: Object, client: Object, waypoint: waypoints.Waypoint | None) -> decisions.Decision:
        address = _address(pod)
        connection = decisions.Connection(
            principal=self._caller(client, waypoint),
            source_ip=_address(client),
            destination_ip=address,
            destination_port=PORT,
        )
        return decisions.decide(self._tables, _uid(pod), connection)

    def _guard(self, pod: Object, waypoint: waypoints.Waypoint) -> access.Mesh:
        """The waypoint's policies for the pod's Service, as if a sidecar of the pod had them."""
        app = resources.labels_of(pod).get("app", "")
        place, root = self._place(app, waypoint), self._snapshot.root_namespace
        return self._sidecars([_for_pods(p, app) for p in selection.at_waypoint(self._policies, place, root=root)])

    def _at_ztunnel(self, pod: Object) -> access.Mesh:
        """The policies that ztunnel asks about a pod, as if a sidecar of the pod had them."""
        asked = decisions.asked(self._tables, _uid(pod))
        return self._sidecars([p for p in self._untargeted if _of(p) in asked])

    def _sidecars(self, policies: Sequence[Object]) -> access.Mesh:
        own = {**self._snapshot.objects, _key(resources.AUTHORIZATION_POLICIES): policies}
        return access.Mesh(model.Snapshot(objects=own))

    def _place(self, app: str, waypoint: waypoints.Waypoint) -> selection.Waypoint:
        return selection.Waypoint(
            name=waypoint.name,
            namespace=waypoint.namespace,
            gateway_class=waypoints.CLASS,
            target=("Service", self._namespace, app),
        )

    def _connected(
        self, pod: Object, client: Object, waypoint: waypoints.Waypoint | None
    ) -> tuple[Caller, access.Workload, Request]:
        """A connection as the ztunnel of the called pod has it; of a request it knows nothing."""
        request = Request(port=PORT, address=_address(pod), method="", path="")
        caller = Caller(principal=f"spiffe://{self._caller(client, waypoint)}", address=_address(client))
        return caller, _workload(pod), request

    def _question(self, call: Call, pod: Object, client: Object) -> tuple[Caller, access.Workload, Request]:
        request = Request(port=PORT, method=call.method, host=f"{call.app}:{PORT}", path=call.path, headers={})
        return (
            Caller(principal=names.spiffe(_account(client), model.TRUST_DOMAIN), address=_address(client)),
            _workload(pod),
            request,
        )

    # Who is who

    @property
    def _policies(self) -> Sequence[Object]:
        return self._snapshot.of(_key(resources.AUTHORIZATION_POLICIES))

    @property
    def _untargeted(self) -> list[Object]:
        """Those that ztunnel is told of."""
        return [p for p in self._policies if not selection.targets_of(objects.spec_of(p))]

    def _pod(self, app: str) -> Object | None:
        pods = self._snapshot.of("pods")
        places = (self._namespace, self._snapshot.root_namespace)
        own = [p for place in places for p in pods if _runs(p, place) and resources.labels_of(p).get("app") == app]
        return own[0] if own else None

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


def _for_pods(policy: Object, app: str) -> Object:
    spec = {k: v for k, v in objects.spec_of(policy).items() if k not in ("targetRefs", "targetRef")}
    return {**policy, "spec": {**spec, "selector": {"matchLabels": {"app": app}}}}


def _address(pod: Object) -> str:
    return str((pod.get("status") or {}).get("podIP", ""))


def _workload(pod: Object) -> access.Workload:
    return access.Workload(
        name=resources.name_of(pod),
        namespace=resources.namespace_of(pod),
        account=_account(pod),
        labels=resources.labels_of(pod),
        address=_address(pod),
        has_proxy=True,
    )


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
