"""Lesson 19, egress."""

from labkit.exercises import verdict, written
from labkit.exercises.diagnosis import cause, matches, objects, outside, policies, scopes, way
from labkit.exercises.diagnosis.cause import Cause
from labkit.exercises.diagnosis.decision import Ask
from labkit.exercises.diagnosis.objects import Objects
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Right, Wrong
from labkit.exercises.verdict import Verdict
from labkit.kube import manifests, resources
from labkit.telemetry import inside, proxies

PLACE = "outside"
CALLER = "curl"
WEATHER = "http://weather.example/get"
SLOW = "http://billing.example/delay/1"
HURRY = ("-H", "x-hurry: yes")

HOSTS = frozenset({"reviews.default.svc.cluster.local", "ratings.default.svc.cluster.local", "billing.example"})
DETAILS = "details.default.svc.cluster.local"


def weather(evidence: Evidence) -> Verdict:
    """Whether the name answers, and the address that it stands for is refused."""
    expected = "weather.example answers 200, and its bare address is refused"
    evidence.until_rolled_out("weather", PLACE)
    answer = evidence.curl(WEATHER)
    mesh = objects.read(evidence)
    if answer.status != 200:
        hop = _hop_to_weather()
        return verdict.because(expected, f"weather.example: {_told(answer)}", _unanswered(evidence, mesh, hop, answer))
    if others := _other_pods(evidence, mesh):
        return verdict.because(expected, "weather.example answers, and not by the pod of weather", [others])
    for pod in mesh.pods:
        address = (pod.get("status") or {}).get("podIP")
        if resources.namespace_of(pod) != PLACE or not address:
            continue
        if evidence.curl(f"http://{address}:9080/get").status == 200:
            return verdict.because(
                expected, f"weather.example answers, and so does the bare address {address}", [_open(mesh)]
            )
    return verdict.passed(expected, "weather.example: 200; bare addresses are refused")


def _other_pods(evidence: Evidence, mesh: Objects) -> Cause | None:
    """Pods behind weather.example that are not weather's."""
    last = way.follow(evidence, mesh, [_hop_to_weather()]).last
    pods = [mesh.pod_at(endpoint) for target in (last.targets if last else []) for endpoint in target.endpoints]
    apps = sorted({resources.labels_of(pod).get("app", "") for pod in pods if pod is not None} - {"weather"})
    if last is None or not apps:
        return None
    entry = outside.entry_of(last.targets[0], mesh)
    what = objects.title(entry) if entry else "weather.example"
    return cause.shown(f"{what} leads to the pods of {', '.join(apps)}: its labels should be those of weather")


def _hop_to_weather() -> way.Hop:
    return way.Hop(ask=Ask(proxy=CALLER, host="weather.example", path="/get"), host="weather.example")


def _told(answer: inside.Answer) -> str:
    return f"{answer.status} {answer.body[:120]}".strip() if answer.status else answer.error


def _unanswered(evidence: Evidence, mesh: Objects, hop: way.Hop, answer: inside.Answer) -> list[Cause]:
    """Why a host outside does not answer: not known, nobody behind it, or a port where nobody listens."""
    findings = way.follow(evidence, mesh, [hop])
    if not findings.is_as_asked or findings.last is None:
        return list(findings.causes)
    targets = findings.last.targets
    entries = [entry for target in targets if (entry := outside.entry_of(target, mesh)) is not None]
    strange = (outside.strange_endpoint(entry, mesh) for entry in entries)
    closed = outside.closed_port(targets, mesh) or next(
        filter(None, (*map(outside.unresolved, entries), *strange)), None
    )
    seen = answer.status or answer.error
    rest = cause.undecided(f"the proxy of {CALLER} sends the request on to {hop.host}, and it is answered by {seen}")
    return [closed or rest]


def _open(mesh: Objects) -> Cause:
    """Which object lets out what the mesh does not know."""
    pod = next((p for p in mesh.pods if resources.name_of(p).startswith(CALLER)), None)
    sidecar = scopes.sidecar_of(pod, mesh) if pod else None
    again = 'lab.apply("manifests/only-known.yaml")'
    if sidecar is None:
        return cause.shown("no Sidecar closes the namespace of the caller, so the mesh is open", again)
    mode = (objects.spec_of(sidecar).get("outboundTrafficPolicy") or {}).get("mode", "ALLOW_ANY")
    return cause.shown(
        f"the mesh is open: {objects.title(sidecar)} decides for the caller, and its outboundTrafficPolicy is {mode}; "
        "it has "
        "to stay REGISTRY_ONLY",
        again,
    )


def patience(evidence: Evidence) -> Verdict:
    """Whether only requests in a hurry have a timeout."""
    expected = "/delay/1 with x-hurry: yes is 504, and 200 without"
    mesh = objects.read(evidence)
    hurried, other = evidence.curl(SLOW, *HURRY), evidence.curl(SLOW)
    observed = f"with the header: {_told_short(hurried)}; without: {_told_short(other)}"
    for answer, headers, who in ((hurried, {"x-hurry": "yes"}, "with the header"), (other, {}, "without the header")):
        hop = way.Hop(
            ask=Ask(proxy=CALLER, host="billing.example", path="/delay/1", headers=headers), host="billing.example"
        )
        findings = way.follow(evidence, mesh, [hop])
        if not findings.is_as_asked or findings.last is None:
            return verdict.because(expected, observed, [c.about(who) for c in findings.causes])
        limit = policies.timeout(findings.last)
        if headers and answer.status != 504:
            causes = (
                policies.no_limit(findings.last, mesh, hop.host, needs=1.0)
                if answer.status == 200
                else _unanswered(evidence, mesh, hop, answer)
            )
            return verdict.because(expected, observed, [c.about(who) for c in causes])
        if not headers and answer.status != 200:
            title = matches.rule_title(findings.last.route, findings.last, mesh)
            late = cause.shown(f"the timeout of {title} is {limit:g} s, and it takes requests without x-hurry too")
            causes = [late] if limit and answer.status == 504 else _unanswered(evidence, mesh, hop, answer)
            return verdict.because(expected, observed, [c.about(who) for c in causes])
        if headers and not (policies.is_limit(findings.last, 0.5) and policies_allow(hurried.seconds)):
            causes = policies.other_limit(findings.last, mesh, asked=0.5)
            return verdict.because(expected, observed, [c.about(who) for c in causes])
    return verdict.passed(expected, observed)


LIMIT = 0.4, 0.95
"""Seconds after which a limit of half a second shows; the answer itself takes one."""


def policies_allow(seconds: float) -> bool:
    """Whether an answer came after about half a second; 0 where nobody measured."""
    return not seconds or LIMIT[0] <= seconds <= LIMIT[1]


def _told_short(answer: inside.Answer) -> str:
    return f"{answer.status} after {answer.seconds:.1f} s" if answer.status else answer.error


def scope(evidence: Evidence) -> Verdict:
    """Whether curl's Envoy knows three hosts, and others know what they did."""
    expected = "curl's Envoy knows reviews, ratings and billing.example only; productpage's knows details"
    mesh = objects.read(evidence)
    hosts, others = upstreams(evidence, CALLER), upstreams(evidence, "productpage")
    if hosts is None or others is None:
        return verdict.because(
            expected, "a pod has no Envoy to ask", [way.no_proxy(CALLER if hosts is None else "productpage", mesh)]
        )
    missing, more = sorted(HOSTS - hosts), sorted(hosts - HOSTS)
    told = [f"it does not know {', '.join(missing)}"] if missing else []
    told += [f"it also knows {_few(more)}"] if more else []
    told += ["productpage's Envoy no longer knows details"] if DETAILS not in others else []
    if not told:
        return verdict.passed(expected, "curl: three hosts; productpage: as before")
    return verdict.because(expected, "; ".join(told), _scoped(mesh, missing, more, is_for_all=DETAILS not in others))


def upstreams(evidence: Evidence, pod: str) -> set[str] | None:
    """Hosts outside of its own pod that a pod's Envoy can send to; None where it has no Envoy."""
    config = evidence.config(pod)
    if config is None:
        return None
    parts = [proxies.parts_of(name) for name in config.clusters]
    return {host for direction, _, _, host in parts if direction == "outbound"}


def _few(hosts: list[str]) -> str:
    return ", ".join(hosts[:3]) + (f" and {len(hosts) - 3} more" if len(hosts) > 3 else "")


def _scoped(mesh: Objects, missing: list[str], more: list[str], *, is_for_all: bool) -> list[Cause]:
    """Why curl's proxy knows too little or too much, by the Sidecar that decides for it."""
    pod = next((p for p in mesh.pods if resources.name_of(p).startswith(CALLER)), None)
    deciding = scopes.sidecar_of(pod, mesh) if pod else None
    silent = scopes.without_a_say(pod, mesh) if pod else []
    if is_for_all and deciding is not None:
        return [
            cause.shown(
                f"{objects.title(deciding)} has no workloadSelector, so it is for every pod of the namespace, "
                "productpage's "
                "too"
            )
        ]
    if deciding is None or not scopes.labels_of(deciding):
        none = cause.shown("no Sidecar with a workloadSelector is for curl's pod")
        return [*silent, none]
    hosts = scopes.hosts_of(deciding)
    title, listed = objects.title(deciding), ", ".join(hosts) or "no hosts"
    if missing:
        return [_missing_host(missing[0], hosts, title, mesh)]
    if not hosts:
        return [cause.shown(f"{title} has no `egress.hosts`, so curl's Envoy knows every host")]
    return [cause.shown(f"`egress.hosts` of {title} is {listed}, which is wider than asked for: {_few(more)} too")]


def _missing_host(host: str, hosts: list[str], title: str, mesh: Objects) -> Cause:
    entry = next((e for e in mesh.service_entries if host in (objects.spec_of(e).get("hosts") or [])), None)
    if entry is None and not mesh.is_host(host):
        return cause.shown(f"no object of the mesh brings the host {host}: its ServiceEntry is missing")
    place = resources.namespace_of(entry) if entry else host.split(".")[1]
    asked = next((h for h in hosts if h.partition("/")[2] == host), "")
    if asked:
        return cause.shown(f"`egress.hosts` of {title} has {asked}, and {host} comes from namespace {place}")
    partial = next((h for h in hosts if host.startswith(f"{h.partition('/')[2]}.")), "")
    if partial:
        return cause.shown(f"`egress.hosts` of {title} has {partial}, and the full name of that host is {host}")
    close = objects.nearest(host, [h.partition("/")[2] for h in hosts])
    near = f"; {close} is nearly it" if close else ""
    return cause.shown(f"`egress.hosts` of {title} does not have {host}{near}")


def _entry(
    *,
    namespace: str = PLACE,
    target: str = ", targetPort: 9080",
    host: str = "weather.example",
    label: str = "weather",
    port: int = 80,
    name: str = "weather",
) -> str:
    return f"""apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  hosts: [{host}]
  location: MESH_EXTERNAL
  ports:
  - {{number: {port}, name: http, protocol: HTTP{target}}}
  resolution: STATIC
  workloadSelector:
    labels: {{app: {label}}}
"""


_OPEN = """---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default}
spec:
  outboundTrafficPolicy: {mode: ALLOW_ANY}
"""


def _patience(
    *, header: str = "x-hurry", value: str = "yes", timeout: str = "0.5s", has_rest: bool = True, is_last: bool = False
) -> str:
    to = {"route": [{"destination": {"host": "billing.example"}}]}
    hurried = {"match": [{"headers": {header: {"exact": value}}}], "timeout": timeout, **to}
    rules = [to, hurried] if is_last else [hurried, to] if has_rest else [hurried]
    return written.virtual_service("billing.example", *rules, name="billing")


def _for_all() -> str:
    to = {"route": [{"destination": {"host": "billing.example"}}]}
    return written.virtual_service("billing.example", {"timeout": "0.5s", **to}, name="billing")


def _scope(*hosts: str, name: str = "curl", labels: str = "curl") -> str:
    selector = {"workloadSelector": {"labels": {"app": labels}}} if labels else {}
    spec = {**selector, "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}, "egress": [{"hosts": list(hosts)}]}
    return manifests.dump(
        {"apiVersion": "networking.istio.io/v1", "kind": "Sidecar", "metadata": {"name": name}, "spec": spec}
    )


_THREE = ("./reviews.default.svc.cluster.local", "./ratings.default.svc.cluster.local", f"{PLACE}/billing.example")

EXERCISES = (
    Exercise(
        id="19-1",
        task="Let the mesh call the second server as http://weather.example, and keep the mesh closed.",
        done_when="http://weather.example/get answers 200 to curl, and the bare address of weather is refused",
        check=weather,
        given=("only-known.yaml",),
        hints=(
            "manifests/billing.yaml does this for the other server.",
            "Change host, name and label to weather's. Keep the namespace: a workloadSelector selects pods of its own.",
            "hosts: [weather.example], workloadSelector: {labels: {app: weather}}, targetPort: 9080",
        ),
        solution=_entry(),
        right=(Right(how="another name", yaml=_entry(name="sunshine")),),
        wrong=(
            Wrong(
                why="in another namespace",
                yaml=_entry(namespace="default"),
                says="ServiceEntry default/weather selects pods of its own namespace only",
            ),
            Wrong(why="no target port", yaml=_entry(target=""), says="leads to port 80 of pod weather"),
            Wrong(
                why="opened for all",
                yaml=_entry() + _OPEN,
                says="Sidecar default/default decides for the caller, and its outboundTrafficPolicy is ALLOW_ANY",
            ),
            Wrong(
                why="a misspelt host",
                yaml=_entry(host="wether.example"),
                says="is for the host wether.example, and the request asks for weather.example",
            ),
            Wrong(
                why="another label",
                yaml=_entry(label="wether"),
                says="the workloadSelector of ServiceEntry outside/weather is app=wether, and no pod has these labels",
            ),
            Wrong(
                why="another port",
                yaml=_entry(port=9080),
                says="gives weather.example the port 9080 (`ports[].number`), and the request asks for port 80",
            ),
        ),
    ),
    Exercise(
        id="19-2",
        task="Requests to billing.example with x-hurry: yes end after half a second; others may take their time.",
        done_when="/delay/1 with the header is 504, and without it 200",
        check=patience,
        given=("billing.yaml",),
        hints=(
            "A VirtualService may have several rules; the first that matches counts.",
            "One rule with a match and the timeout, one below it with neither.",
            'match: [{headers: {x-hurry: {exact: "yes"}}}]',
        ),
        solution=_patience(),
        right=(Right(how="in milliseconds", yaml=_patience(timeout="500ms")),),
        wrong=(
            Wrong(
                why="for everybody",
                yaml=_for_all(),
                says="is 0.5 s, and it takes requests without x-hurry too",
            ),
            Wrong(why="too patient", yaml=_patience(timeout="5s"), says="is 5 s, and the answer comes after 1 s"),
            Wrong(
                why="another value",
                yaml=_patience(value="true"),
                says="has the timeout, and the request does not fit it: the header x-hurry is yes",
            ),
            Wrong(
                why="a misspelt header",
                yaml=_patience(header="x-hury"),
                says="the header x-hury, which the request does not have; did you mean x-hurry?",
            ),
            Wrong(
                why="the wrong way round",
                yaml=_patience(is_last=True),
                says="rule 2 with its timeout is never reached",
            ),
            Wrong(
                why="no rule for the others",
                yaml=_patience(has_rest=False),
                says="without the header: no rule fits this request",
            ),
        ),
    ),
    Exercise(
        id="19-3",
        task="Let curl's Envoy know reviews, ratings and billing.example only; leave all other Envoys as they are.",
        done_when="these are its three hosts, and productpage's Envoy still knows details",
        check=scope,
        given=("billing.yaml",),
        hints=(
            "manifests/curl-scope.yaml is a Sidecar with such a list.",
            "Full names: ./reviews.default.svc.cluster.local, and so on.",
            "The third is outside/billing.example; keep the workloadSelector.",
        ),
        solution=_scope(*_THREE),
        right=(
            Right(how="another name", yaml=_scope(*_THREE, name="narrow")),
            Right(how="by namespace", yaml=_scope(*(h.replace("./", "default/") for h in _THREE))),
        ),
        wrong=(
            Wrong(
                why="parts of names",
                yaml=_scope("./reviews.default", "./ratings.default", _THREE[2]),
                says="has ./ratings.default, and the full name of that host is ratings.default.svc.cluster.local",
            ),
            Wrong(
                why="the whole namespace",
                yaml=_scope("./*", "outside/*"),
                says="is ./*, outside/*, which is wider than asked for",
            ),
            Wrong(
                why="for everybody",
                yaml=_scope(*_THREE, name="default", labels=""),
                says="Sidecar default/default has no workloadSelector",
            ),
            Wrong(
                why="another namespace for the entry",
                yaml=_scope(*_THREE[:2], "./billing.example"),
                says="has ./billing.example, and billing.example comes from namespace outside",
            ),
            Wrong(
                why="another label",
                yaml=_scope(*_THREE, labels="curll"),
                says="the workloadSelector of Sidecar default/curl asks for app=curll, and the pod has app=curl",
            ),
            Wrong(why="one left out", yaml=_scope(_THREE[0], _THREE[2]), says="does not have ratings.default.svc"),
        ),
    ),
)
