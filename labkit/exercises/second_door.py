"""Exercise 04-3: a door of the Gateway API, for the products' API alone."""

from labkit.exercises import verdict
from labkit.exercises.diagnosis import answers, cause, destinations, matches, objects, rules
from labkit.exercises.diagnosis import decision as decisions
from labkit.exercises.diagnosis.cause import Cause
from labkit.exercises.diagnosis.decision import Ask, Decision
from labkit.exercises.diagnosis.objects import Objects
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Right, Wrong
from labkit.exercises.verdict import Verdict
from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import names

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
    waited = evidence.until_rolled_out(SERVICE, is_coming=evidence.resource(resources.KUBE_GATEWAYS, DOOR) is not None)
    trouble = _unopened(evidence, expected)
    if trouble:
        return trouble
    answers = {path: _status(evidence, path) for path in (API, BELOW, PAGE)}
    after = f" (waited {waited:.0f} s for its proxies)" if waited >= 1 else ""
    observed = (
        f"through {DOOR}: " + ", ".join(f"{path} {status or 'nothing'}" for path, status in answers.items()) + after
    )
    if answers == {API: 200, BELOW: 200, PAGE: 404}:
        return verdict.passed(expected, observed)
    return verdict.because(expected, observed, _why(evidence, answers))


def _unopened(evidence: Evidence, expected: str) -> Verdict | None:
    """What keeps the door from being there at all."""
    door = evidence.resource(resources.KUBE_GATEWAYS, DOOR)
    if door is None:
        return verdict.not_yet(expected, f"there is no Gateway {DOOR} of the Gateway API", cause=_why_no_door(evidence))
    spec = objects.spec_of(door)
    name = spec.get("gatewayClassName")
    if name != CLASS:
        cause = f"nobody carries out the class {name} here: gatewayClassName of Gateway {DOOR} should be {CLASS}"
        return verdict.not_yet(
            expected, f"the Gateway {DOOR} has no proxies", cause=cause, next_step='lab.kubectl("get gatewayclasses")'
        )
    ports = [listener.get("port") for listener in spec.get("listeners") or []]
    if PORT not in ports:
        asks = f"port {', '.join(map(str, ports))}" if ports else "no port"
        return verdict.not_yet(
            expected,
            f"the Gateway {DOOR} listens at {asks}",
            cause=f"requests come to port {PORT}, and no listener of Gateway {DOOR} has it",
        )
    if evidence.resource(resources.SERVICES, SERVICE) is None:
        return verdict.not_yet(
            expected,
            f"there is no Service {SERVICE}",
            cause="istiod has not created what the Gateway needs so far",
            next_step=f'lab.wait("{SERVICE}")',
        )
    return None


def _why_no_door(evidence: Evidence) -> str:
    if evidence.resource(resources.GATEWAYS, DOOR):
        return f"the Gateway {DOOR} is of Istio's API: its apiVersion should be {resources.KUBE_GATEWAYS.api_version}"
    every = evidence.everywhere(resources.KUBE_GATEWAYS)
    elsewhere = [g for g in every if resources.name_of(g) == DOOR]
    if elsewhere:
        return f"Gateway {DOOR} is in namespace {resources.namespace_of(elsewhere[0])}, and not in {evidence.namespace}"
    near = objects.nearest(DOOR, [resources.name_of(g) for g in every])
    return f"there is a Gateway {near}; the exercise wants the name {DOOR}" if near else "nothing is applied so far"


def _status(evidence: Evidence, path: str) -> int:
    return evidence.fetch(path, through=DOOR).status


def _why(evidence: Evidence, answers: dict[str, int]) -> list[Cause]:
    mesh = objects.read(evidence)
    routes = [route for route in mesh.http_routes if _is_bound(route)]
    if not routes:
        return [_unbound(mesh)]
    if told := [text for route in routes for text in rules.complaints(route, parent=DOOR)]:
        return [cause.shown(told[0], 'lab.kubectl("get httproutes -o yaml")')]
    if not answers[API]:
        return [cause.undecided(f"nothing answers at the address of Gateway {DOOR} so far", f'lab.wait("{SERVICE}")')]
    for path in (API, BELOW, PAGE):
        decision = decisions.of(evidence, Ask(proxy=SERVICE, host=evidence.address(through=DOOR), path=path))
        if decision is None or (answers[path] == (404 if path == PAGE else 200)):
            continue
        return _at(decision, mesh, path, answers[path])
    return []


def _at(decision: Decision, mesh: Objects, path: str, status: int) -> list[Cause]:
    """Why the door's proxy answers this path as it does."""
    explanation = decision.explanation
    if path == PAGE:
        title = matches.rule_title(decision.route, decision, mesh)
        return [cause.shown(f"{title} takes {PAGE} too: it is for {matches.paths_of(decision.route)}")]
    if not decision.virtual_host:
        if told := _other_hosts(mesh, decision.ask.host.partition(":")[0]):
            return [cause.shown(told)]
        hosts = sorted(
            {str(h) for r in mesh.http_routes if _is_bound(r) for h in objects.spec_of(r).get("hostnames") or []}
        )
        told = f"`hostnames` of the HTTPRoute is {', '.join(hosts)}" if hosts else "no HTTPRoute takes this host"
        return [cause.shown(f"{told}, and the request asks for {decision.ask.host.partition(':')[0]}")]
    if explanation.index < 0:
        closest = matches.none_fits(decision, mesh, bool)
        return [closest] if closest else []
    title = matches.rule_title(decision.route, decision, mesh)
    if explanation.answer.startswith("redirect"):
        return [cause.shown(f"{title} answers by itself with a {explanation.answer} (filter RequestRedirect)")]
    if not decision.targets:
        return [cause.shown(f"{title} sends nothing on: its `backendRefs` are empty, or each has the weight 0")]
    if dead := destinations.dead_ends(decision.targets, mesh, what=title):
        return dead
    told, seen = decisions.told(decision.targets), answers.rewritten(decision.action, path)
    asked = f" and asks it for {seen} (filter URLRewrite)" if seen != path else ""
    return [cause.shown(f"{title} sends {told}{asked}, where {path} is answered with {status}")]


def _other_hosts(mesh: Objects, asked: str) -> str:
    """The host that a listener of the door is for, where that is another one than the request's."""
    door = next((g for g in mesh.kube_gateways if resources.name_of(g) == DOOR), None)
    for listener in objects.spec_of(door or {}).get("listeners") or []:
        own = str(listener.get("hostname") or "*")
        if not names.covers(own, asked):
            return (
                f"listener {listener.get('name')} of Gateway {DOOR} is for the host {own} (`hostname`), and the "
                f"request asks for {asked}"
            )
    return ""


def _unbound(mesh: Objects) -> Cause:
    """No HTTPRoute names this door among its parents."""
    for route in mesh.http_routes:
        title = objects.title(route)
        for parent in objects.spec_of(route).get("parentRefs") or []:
            name, kind = str(parent.get("name", "")), parent.get("kind", "Gateway")
            place = parent.get("namespace") or resources.namespace_of(route)
            if name == DOOR and kind == "Gateway" and place == mesh.namespace:
                return cause.shown(
                    f"{title} is in namespace {resources.namespace_of(route)}, and a listener of Gateway {DOOR} takes "
                    "routes of its own namespace only, unless `allowedRoutes` says otherwise"
                )
            if kind != "Gateway" or name == DOOR:
                return cause.shown(f"parentRefs of {title} names {kind} {place}/{name}, and not Gateway {DOOR}")
            near = f"; did you mean {DOOR}?" if objects.nearest(name, [DOOR]) else ""
            return cause.shown(f"no HTTPRoute is bound to {DOOR}: parentRefs of {title} names {name}{near}")
    for rule in mesh.virtual_services:
        if DOOR in (objects.spec_of(rule).get("gateways") or []):
            return cause.shown(
                f"{objects.title(rule)} names {DOOR} in `gateways`, which stands for Gateways of Istio's API; one of "
                "the Gateway API takes HTTPRoutes"
            )
    return cause.shown(f"no HTTPRoute is bound to {DOOR}: its parentRefs have to name it")


def _is_bound(route: Object) -> bool:
    return any(
        parent.get("name") == DOOR
        and parent.get("kind", "Gateway") == "Gateway"
        and parent.get("group", "gateway.networking.k8s.io") == "gateway.networking.k8s.io"
        and (parent.get("namespace") or resources.namespace_of(route)) == resources.namespace_of(route)
        for parent in objects.spec_of(route).get("parentRefs") or []
    )


def _door(*, class_name: str = CLASS, name: str = DOOR, port: int = PORT, more: str = "") -> str:
    return f"""apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: {name}
  annotations: {{networking.istio.io/service-type: NodePort}}
spec:
  gatewayClassName: {class_name}
  listeners:
  - {{name: http, port: {port}, protocol: HTTP{more}}}
"""


def _way(
    *,
    parent: str = DOOR,
    kind: str = "PathPrefix",
    path: str = API,
    service: str = "productpage",
    port: int = 9080,
    more: str = "",
    name: str = DOOR,
) -> str:
    return f"""---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {name}}}
spec:
  parentRefs:
  - {{name: {parent}}}{more}
  rules:
  - matches:
    - path: {{type: {kind}, value: {path}}}
    backendRefs:
    - {{name: {service}, port: {port}}}
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
    right=(
        Right(how="another name for the route", yaml=_door() + _way(name="api")),
        Right(how="a prefix that ends in a slash", yaml=_door() + _way(path=f"{API}/")),
    ),
    wrong=(
        Wrong(why="Istio's Gateway", yaml=ISTIOS, says="of Istio's API"),
        Wrong(why="another class", yaml=_door(class_name="nginx") + _way(), says="nobody carries out the class nginx"),
        Wrong(
            why="bound to the first door",
            yaml=_door() + _way(parent="bookinfo-gateway"),
            says="parentRefs of HTTPRoute default/products names bookinfo-gateway",
        ),
        Wrong(
            why="the whole shop",
            yaml=_door() + _way(path="/"),
            says="HTTPRoute default/products takes /productpage too",
        ),
        Wrong(why="one path only", yaml=_door() + _way(kind="Exact"), says="exact is this path alone"),
        Wrong(why="no such Service", yaml=_door() + _way(service=DOOR), says="says ResolvedRefs=False"),
        Wrong(why="another port", yaml=_door(port=8080) + _way(), says="requests come to port 80"),
        Wrong(
            why="another host",
            yaml=_door() + _way(more="\n  hostnames: [products.example]"),
            says="`hostnames` of the HTTPRoute is products.example",
        ),
        Wrong(
            why="a door for another host",
            yaml=_door(more=", hostname: shop.example") + _way(),
            says="listener http of Gateway products is for the host shop.example",
        ),
        Wrong(
            why="another name", yaml=_door(name="product") + _way(parent="product"), says="there is a Gateway product"
        ),
    ),
)
