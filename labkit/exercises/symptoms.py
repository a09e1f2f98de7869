"""What is seen of an incident: requests from outside and inside, and what objects say. A sentence, or nothing."""

from collections.abc import Callable

from labkit.exercises import flows
from labkit.exercises.clinic import Look, Way
from labkit.exercises.diagnosis import encryption
from labkit.exercises.evidence import Evidence
from labkit.kube import resources
from labkit.kube.resources import Object, Resource
from labkit.mesh.explain.mutual_tls import PERMISSIVE, STRICT
from labkit.traffic import tokens

PAGE = "/productpage"
GATEWAY_ACCOUNT = "istio-ingressgateway-service-account"
HTTPBIN = {"app": "httpbin", "version": "v1"}
ENOUGH = 12
"""Requests that show which versions answer."""


def answers(path: str) -> Look:
    """A path from outside is answered 200."""

    def look(evidence: Evidence) -> str:
        status = evidence.fetch(path).status
        return "" if status == 200 else f"{path} answers {status or 'nothing'}"

    return look


def only(version: str, *, user: str = "") -> Look:
    """Reviews come from one version alone."""

    def look(evidence: Evidence) -> str:
        rows = evidence.send(flows.REVIEWS, count=ENOUGH, user=user)
        seen = sorted({row.version or f"status {row.status}" for row in rows.itertuples()})
        whom = user or "everybody"
        return "" if seen == [version] else f"reviews for {whom} come from {', '.join(seen)}, not from {version} alone"

    return look


def way_of_reviews(version: str = "", *, user: str = "") -> Way:
    """The way of reviews from outside, to one version or to any."""
    return lambda evidence: flows.to_reviews(evidence, {version: 100.0} if version else None, user=user)


def both(*looks: Look) -> Look:
    """The first thing that is wrong."""
    return lambda evidence: next(filter(None, (look(evidence) for look in looks)), "")


def inside(url: str, *, count: int = 1, token: Callable[[], tokens.Token] | None = None) -> Look:
    """A URL inside the mesh is answered 200, each time."""

    def look(evidence: Evidence) -> str:
        options = ["-H", f"Authorization: Bearer {token()}"] if token else []
        statuses = [evidence.curl(url, *options).status for _ in range(count)]
        bad = [status for status in statuses if status != 200]
        return f"{url} answers {bad[0] or 'nothing'} to {len(bad)} of {count} requests" if bad else ""

    return look


def names_callers(evidence: Evidence) -> str:
    """AuthorizationPolicy productpage-callers is there, and each of its rules says who may call."""
    gone = there(resources.AUTHORIZATION_POLICIES, "productpage-callers", "the list of callers")(evidence)
    policy = evidence.resource(resources.AUTHORIZATION_POLICIES, "productpage-callers")
    rules = ((policy or {}).get("spec") or {}).get("rules") or []
    if gone or all(rule.get("from") for rule in rules):
        return gone
    return "AuthorizationPolicy productpage-callers has a rule without `from` now, so everybody may call"


def there(kind: Resource, name: str, what: str) -> Look:
    """An object that was meant is still there."""
    return lambda evidence: "" if evidence.resource(kind, name) else f"{kind.kind} {name} is gone, and with it {what}"


def httpbin_takes_plain_text(evidence: Evidence) -> str:
    """httpbin takes requests without mutual TLS on the port of its pods."""
    modes = encryption.read(evidence).modes(HTTPBIN)
    return "" if modes.of(8080) == PERMISSIVE else f"httpbin is {modes.of(8080)}: plain requests of legacy are reset"


def others_are_strict(evidence: Evidence) -> str:
    """The workloads that all have sidecars are STRICT."""
    mode = encryption.read(evidence).modes({"app": "reviews", "version": "v1"}).default
    return "" if mode == STRICT else f"reviews is {mode} now: only httpbin has callers without a sidecar"


def audience_fits(evidence: Evidence) -> str:
    """RequestAuthentication httpbin takes tokens for shop."""
    policy = evidence.resource(resources.REQUEST_AUTHENTICATIONS, "httpbin")
    rules = ((policy or {}).get("spec") or {}).get("jwtRules") or []
    if policy is None or not rules:
        return "nobody checks tokens, so no request of httpbin has a principal"
    audiences = [a for rule in rules for a in rule.get("audiences") or ["shop"]]
    return "" if "shop" in audiences else f"tokens for shop are refused: audiences are {', '.join(audiences)}"


def shop_token() -> tokens.Token:
    """A token of the lessons for the audience shop."""
    return tokens.token("jason", aud="shop")


def gateway_is_admitted(evidence: Evidence) -> str:
    """Every list of callers of productpage has the ingress gateway."""
    for policy in evidence.resources(resources.AUTHORIZATION_POLICIES):
        if _selects(policy, "productpage") and policy["spec"].get("action", "ALLOW") == "ALLOW":
            principals = [p for rule in policy["spec"].get("rules") or [] for p in _principals(rule)]
            if not any(GATEWAY_ACCOUNT in p or p == "*" for p in principals):
                return f"{PAGE} answers 403: the gateway is none of the callers that may pass"
    return ""


def _selects(policy: Object, app: str) -> bool:
    labels = (policy["spec"].get("selector") or {}).get("matchLabels") or {}
    return bool(labels.get("app", app) == app)


def _principals(rule: Object) -> list[str]:
    sources = [entry.get("source") or {} for entry in rule.get("from") or []]
    named = [p for source in sources for p in source.get("principals") or []]
    spaces = [f"{n}/{GATEWAY_ACCOUNT}" for s in sources for n in s.get("namespaces") or [] if n == "istio-system"]
    return [*named, *spaces] if sources else ["*"]


def ratings_run(evidence: Evidence) -> str:
    """ratings has a pod, and answers."""
    evidence.until_rolled_out("ratings-v1")
    deployment = evidence.resource(resources.DEPLOYMENTS, "ratings-v1")
    if deployment is None or deployment["spec"].get("replicas", 1) == 0:
        return "ratings answers 503: no pod is behind it"
    return inside("http://ratings:9080/ratings/0")(evidence)


def port_is_http1(evidence: Evidence) -> str:
    """httpbin's port is declared as what the program speaks, and it answers."""
    service = evidence.resource(resources.SERVICES, "httpbin")
    for port in ((service or {}).get("spec") or {}).get("ports") or []:
        word = str(port.get("appProtocol") or port.get("name", ""))
        if word.startswith(("http2", "grpc", "kubernetes.io/h2c")):
            return f"httpbin answers 502: its port is declared {word}, and the program speaks HTTP/1.1"
    return inside("http://httpbin:8000/get")(evidence)


def ratings_have_own_endpoints(evidence: Evidence) -> str:
    """No ServiceEntry adds the dead endpoint to ratings, and it answers."""
    for entry in evidence.resources(resources.SERVICE_ENTRIES):
        hosts, endpoints = entry["spec"].get("hosts") or [], entry["spec"].get("endpoints") or []
        if flows.full("ratings", evidence) in hosts and any("9999" in str(e) for e in endpoints):
            return "some requests to ratings answer 503: one of its endpoints refuses connections"
    return inside("http://ratings:9080/ratings/0", count=6)(evidence)
