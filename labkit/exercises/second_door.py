"""Exercise 04-3: a door of the Gateway API, for the products' API alone."""

from labkit.exercises import verdict
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Wrong
from labkit.exercises.verdict import Verdict
from labkit.kube import resources
from labkit.kube.resources import Object

DOOR = "products"
CLASS = "istio"
SERVICE = f"{DOOR}-{CLASS}"
"""What Istio makes for the Gateway is named after it and its class."""

API = "/api/v1/products"
BELOW = f"{API}/0/reviews"
PAGE = "/productpage"
PORT = 80


def products_only(evidence: Evidence) -> Verdict:
    """Whether the Gateway products leads to the products' API and to nothing else of the shop."""
    expected = f"through {DOOR}: 200 for {API} and {BELOW}, 404 for {PAGE}"
    trouble = _unopened(evidence, expected)
    if trouble:
        return trouble
    answers = {path: _status(evidence, path) for path in (API, BELOW, PAGE)}
    observed = f"through {DOOR}: " + ", ".join(f"{path} {status or 'nothing'}" for path, status in answers.items())
    if answers == {API: 200, BELOW: 200, PAGE: 404}:
        return verdict.passed(expected, observed)
    if not answers[API]:
        return verdict.not_yet(
            expected,
            observed,
            cause="nobody listens: its proxies are not ready yet",
            next_step=f'lab.wait("{SERVICE}")',
        )
    return verdict.not_yet(expected, observed, cause=_why(evidence, answers))


def _unopened(evidence: Evidence, expected: str) -> Verdict | None:
    """What keeps the door from being there at all."""
    door = evidence.resource(resources.KUBE_GATEWAYS, DOOR)
    if door is None:
        theirs = evidence.resource(resources.GATEWAYS, DOOR)
        cause = f"the Gateway {DOOR} is of Istio's API: compare apiVersion" if theirs else "nothing is applied so far"
        return verdict.not_yet(expected, f"there is no Gateway {DOOR} of the Gateway API", cause=cause)
    named = door["spec"].get("gatewayClassName")
    if named != CLASS:
        cause = f"nobody carries out the class {named} here; kubectl get gatewayclasses"
        return verdict.not_yet(expected, f"the Gateway {DOOR} has no proxies", cause=cause)
    ports = [listener.get("port") for listener in door["spec"].get("listeners") or []]
    if PORT not in ports:
        asks = f"port {', '.join(map(str, ports))}" if ports else "no port"
        return verdict.not_yet(expected, f"the Gateway {DOOR} listens at {asks}", cause=f"requests come to port {PORT}")
    if evidence.resource(resources.SERVICES, SERVICE) is None:
        return verdict.not_yet(
            expected,
            f"there is no Service {SERVICE}",
            cause="Istio is still making what the Gateway needs",
            next_step=f'lab.wait("{SERVICE}")',
        )
    return None


def _status(evidence: Evidence, path: str) -> int:
    return int(evidence.send(path, through=DOOR)["status"].iloc[0])


def _why(evidence: Evidence, answers: dict[str, int]) -> str:
    routes = [r for r in evidence.resources(resources.HTTP_ROUTES) if _is_bound(r)]
    if not routes:
        return f"no HTTPRoute is bound to {DOOR}: its parentRefs have to name it"
    complaints = [c for route in routes for c in _complaints(route)]
    if complaints:
        return complaints[0]
    if answers[PAGE] != 404:
        return f"a rule takes {PAGE} too: one without matches, or for /, takes every path"
    if answers[API] >= 500 or answers[BELOW] >= 500:
        return "there is a route, and nobody answers behind it: check name and port in backendRefs"
    if answers[API] == 200:
        return "Exact is this path alone; PathPrefix takes what is below it as well"
    return f"no rule takes {API}: check matches and hostnames of HTTPRoute {resources.name_of(routes[0])}"


def _is_bound(route: Object) -> bool:
    return any(parent.get("name") == DOOR for parent in route["spec"].get("parentRefs") or [])


def _complaints(route: Object) -> list[str]:
    """What a route says of itself that is not fine, in Istio's words."""
    parents = [p for p in (route.get("status") or {}).get("parents") or [] if p["parentRef"].get("name") == DOOR]
    return [
        f"HTTPRoute {resources.name_of(route)} says {c['type']}={c['status']}: {c.get('message', '')}"
        for parent in parents
        for c in parent.get("conditions") or []
        if c["status"] == "False"
    ]


def _door(*, named: str = CLASS) -> str:
    return f"""apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: {DOOR}
  annotations: {{networking.istio.io/service-type: NodePort}}
spec:
  gatewayClassName: {named}
  listeners:
  - {{name: http, port: {PORT}, protocol: HTTP}}
"""


def _way(*, parent: str = DOOR, kind: str = "PathPrefix", path: str = API, service: str = "productpage") -> str:
    return f"""---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {DOOR}}}
spec:
  parentRefs:
  - {{name: {parent}}}
  rules:
  - matches:
    - path: {{type: {kind}, value: {path}}}
    backendRefs:
    - {{name: {service}, port: 9080}}
"""


ISTIOS = f"""apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: {DOOR}}}
spec:
  selector: {{istio: ingressgateway}}
  servers:
  - port: {{number: {PORT}, name: http, protocol: HTTP}}
    hosts: ["*"]
"""

EXERCISE = Exercise(
    id="04-3",
    task=f"With the Gateway API, open a second door, {DOOR}: to {API} and what is below it, and to nothing else.",
    done_when=f"{API} and {BELOW} answer 200 through {DOOR}, and {PAGE} answers 404 there",
    check=products_only,
    given=("bookinfo-gateway.yaml",),
    hints=(
        "manifests/bookinfo-gateway-api.yaml has both objects; change their names, and leave out some paths.",
        f'The Gateway: name {DOOR}, gatewayClassName: {CLASS}, port {PORT}; then lab.wait("{SERVICE}").',
        f"The HTTPRoute: parentRefs: - {{name: {DOOR}}}; one match, path: {{type: PathPrefix, value: {API}}}",
    ),
    solution=_door() + _way(),
    wrong=(
        Wrong(why="Istio's Gateway", yaml=ISTIOS, says="of Istio's API"),
        Wrong(why="another class", yaml=_door(named="nginx") + _way(), says="nobody carries out the class nginx"),
        Wrong(why="bound to the first door", yaml=_door() + _way(parent="bookinfo-gateway"), says="bound to products"),
        Wrong(why="the whole shop", yaml=_door() + _way(path="/"), says="takes /productpage too"),
        Wrong(why="one path only", yaml=_door() + _way(kind="Exact"), says="Exact is this path alone"),
        Wrong(why="no such Service", yaml=_door() + _way(service=DOOR), says="says ResolvedRefs=False"),
    ),
)
