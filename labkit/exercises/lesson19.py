"""Lesson 19, egress."""

from labkit.exercises import verdict
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Wrong
from labkit.exercises.verdict import Verdict
from labkit.kube import resources

PLACE = "outside"
WEATHER = "http://weather.example/get"
SLOW = "http://billing.example/delay/1"
HURRY = ("-H", "x-hurry: yes")

HOSTS = frozenset({"reviews.default.svc.cluster.local", "ratings.default.svc.cluster.local", "billing.example"})
DETAILS = "details.default.svc.cluster.local"


def weather(evidence: Evidence) -> Verdict:
    """Whether the name answers, and the address that it stands for is refused."""
    expected = "weather.example answers 200, and its bare address is refused"
    found = evidence.curl(WEATHER)
    if found.status != 200:
        seen = f"weather.example: {found.status or found.error} {found.body}".strip()
        return verdict.not_yet(expected, seen, cause=_no_weather(evidence))
    for pod in evidence.resources(resources.PODS, PLACE):
        address = (pod.get("status") or {}).get("podIP")
        if address and evidence.curl(f"http://{address}:9080/get").status == 200:
            return verdict.not_yet(
                expected,
                f"weather.example answers, and so does the bare address {address}",
                cause="the mesh is open: outboundTrafficPolicy has to stay REGISTRY_ONLY",
                next_step='lab.apply("manifests/only-known.yaml")',
            )
    return verdict.passed(expected, "weather.example: 200; bare addresses are refused")


def _no_weather(evidence: Evidence) -> str:
    """Why the name does not answer: no entry, nobody behind it, or another port."""
    for place in (PLACE, ""):
        for entry in evidence.resources(resources.SERVICE_ENTRIES, place):
            if "weather.example" in (entry["spec"].get("hosts") or []):
                if not place and "workloadSelector" in entry["spec"]:
                    return f"its ServiceEntry selects pods of its own namespace only; weather is in {PLACE}"
                targets = [port.get("targetPort") or port.get("number") for port in entry["spec"].get("ports") or []]
                if 9080 not in targets:
                    return f"it leads to port {', '.join(str(t) for t in targets)} of the pod, which listens at 9080"
                return "the ServiceEntry leads to nobody: compare its labels with those of the pod"
    return "no ServiceEntry names that host"


def patience(evidence: Evidence) -> Verdict:
    """Whether only requests in a hurry have a timeout."""
    expected = "/delay/1 with x-hurry: yes is 504, and 200 without"
    hurried = evidence.curl(SLOW, *HURRY)
    if hurried.status != 504:
        return verdict.not_yet(
            expected,
            f"with the header: {hurried.status or hurried.error}",
            cause="no rule with a timeout below a second matches it, or billing.example is not declared",
        )
    other = evidence.curl(SLOW)
    if other.status != 200:
        return verdict.not_yet(
            expected,
            f"with the header: 504, and without: {other.status or other.error}",
            cause="the timeout is for every request",
        )
    return verdict.passed(
        expected, f"with the header: 504 after {hurried.seconds:.1f} s; without: 200 after {other.seconds:.1f} s"
    )


def scope(evidence: Evidence) -> Verdict:
    """Whether curl's Envoy knows three hosts, and others know what they did."""
    expected = "curl's Envoy knows reviews, ratings and billing.example only; productpage's knows details"
    known = evidence.upstreams("curl")
    missing, more = sorted(HOSTS - known), sorted(known - HOSTS)
    if missing:
        return verdict.not_yet(
            expected,
            f"it does not know {', '.join(missing)}",
            cause="hosts are namespace/name with the full name: ./reviews is nobody's",
        )
    if more:
        shown = ", ".join(more[:3]) + (f" and {len(more) - 3} more" if len(more) > 3 else "")
        return verdict.not_yet(expected, f"it also knows {shown}", cause="the list of hosts is wider than asked for")
    if DETAILS not in evidence.upstreams("productpage"):
        return verdict.not_yet(
            expected,
            "productpage's Envoy no longer knows details",
            cause="without a workloadSelector it holds for every pod of the namespace",
        )
    return verdict.passed(expected, "curl: three hosts; productpage: as before")


def _entry(*, namespace: str = PLACE, target: str = ", targetPort: 9080") -> str:
    return f"""apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: weather, namespace: {namespace}}}
spec:
  hosts: [weather.example]
  location: MESH_EXTERNAL
  ports:
  - {{number: 80, name: http, protocol: HTTP{target}}}
  resolution: STATIC
  workloadSelector:
    labels: {{app: weather}}
"""


_OPEN = """---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default}
spec:
  outboundTrafficPolicy: {mode: ALLOW_ANY}
"""


def _patience(*, match: str = 'headers: {x-hurry: {exact: "yes"}}', timeout: str = "0.5s") -> str:
    rest = "  - route:\n    - destination: {host: billing.example}\n" if match else ""
    return (
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: billing}\n"
        "spec:\n  hosts: [billing.example]\n  http:\n"
        f"  - {f'match: [{{{match}}}]{chr(10)}    ' if match else ''}timeout: {timeout}\n"
        f"    route:\n    - destination: {{host: billing.example}}\n{rest}"
    )


def _scope(*hosts: str, name: str = "curl", selector: str = "  workloadSelector:\n    labels: {app: curl}\n") -> str:
    rows = "".join(f"    - {host}\n" for host in hosts)
    return (
        f"apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: {name}}}\nspec:\n{selector}"
        f"  outboundTrafficPolicy: {{mode: REGISTRY_ONLY}}\n  egress:\n  - hosts:\n{rows}"
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
            "Host, name and label are weather's; the namespace stays, since labels select pods there.",
            "hosts: [weather.example], workloadSelector: {labels: {app: weather}}, targetPort: 9080",
        ),
        solution=_entry(),
        wrong=(
            Wrong(why="in another namespace", yaml=_entry(namespace="default"), says="pods of its own namespace only"),
            Wrong(why="no target port", yaml=_entry(target=""), says="port 80 of the pod, which listens at 9080"),
            Wrong(why="opened for all", yaml=_entry() + _OPEN, says="the mesh is open"),
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
        wrong=(
            Wrong(why="for everybody", yaml=_patience(match=""), says="for every request"),
            Wrong(why="too patient", yaml=_patience(timeout="5s"), says="with the header: 200"),
            Wrong(
                why="another value",
                yaml=_patience(match='headers: {x-hurry: {exact: "true"}}'),
                says="no rule with a timeout below a second matches",
            ),
        ),
    ),
    Exercise(
        id="19-3",
        task="curl's Envoy shall know reviews, ratings and billing.example, nothing else; others as before.",
        done_when="these are its three hosts, and productpage's Envoy still knows details",
        check=scope,
        given=("billing.yaml",),
        hints=(
            "manifests/curl-scope.yaml is a Sidecar with such a list.",
            "Full names: ./reviews.default.svc.cluster.local, and so on.",
            "The third is outside/billing.example; keep the workloadSelector.",
        ),
        solution=_scope(*_THREE),
        wrong=(
            Wrong(why="short names", yaml=_scope("./reviews", "./ratings", _THREE[2]), says="./reviews is nobody's"),
            Wrong(why="the whole namespace", yaml=_scope("./*", "outside/*"), says="it also knows details"),
            Wrong(
                why="for everybody", yaml=_scope(*_THREE, name="default", selector=""), says="no longer knows details"
            ),
        ),
    ),
)
