"""Lesson 13, end users."""

from dataclasses import replace
from typing import Any

import yaml

from labkit.exercises import flows, verdict
from labkit.exercises.diagnosis import answers, cause, objects, permissions, way
from labkit.exercises.diagnosis.cause import Cause
from labkit.exercises.diagnosis.decision import Ask
from labkit.exercises.diagnosis.permissions import ALLOWED, NO_TOKEN, REFUSED, Call
from labkit.exercises.evidence import GATEWAY, Evidence
from labkit.exercises.exercise import Exercise, Right, Wrong
from labkit.exercises.verdict import Verdict
from labkit.traffic import fetching, tokens

PAGE = "/productpage"
HTTPBIN = "httpbin:8000"
INGRESS = {"istio": "ingressgateway"}
TESTERS = "testers"
GET = "/get"


def believing(
    name: str = "lessons",
    *,
    namespace: str = "istio-system",
    labels: dict[str, str] | None = None,
    issuer: str = tokens.ISSUER,
    keys: str = "",
    **more: Any,
) -> str:
    """A RequestAuthentication that believes the lessons' tokens."""
    rule = {"issuer": issuer, "jwks": keys or tokens.jwks(), **more}
    spec = {"selector": {"matchLabels": labels or INGRESS}, "jwtRules": [rule]}
    return _object("security.istio.io/v1", "RequestAuthentication", name, namespace, spec)


def policy(
    name: str, rules: list[Any], *, namespace: str = "istio-system", labels: dict[str, str] | None = None, action: str
) -> str:
    """An AuthorizationPolicy."""
    spec = {"selector": {"matchLabels": labels or INGRESS}, "action": action, "rules": rules}
    return _object("security.istio.io/v1", "AuthorizationPolicy", name, namespace, spec)


def _object(version: str, kind: str, name: str, namespace: str, spec: dict[str, Any]) -> str:
    metadata = {"name": name, "namespace": namespace}
    obj = {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
    return yaml.safe_dump(obj, sort_keys=False, width=1000)


def _both(*parts: str) -> str:
    return "---\n".join(parts)


def only_with_a_token(evidence: Evidence) -> Verdict:
    """Whether the page needs a token, and a good one."""
    return permissions.judge(
        evidence,
        [
            Call(path=PAGE, status=REFUSED, as_="nobody"),
            Call(path=PAGE, status=ALLOWED, token=tokens.token("jason"), as_="jason"),
            Call(path=PAGE, status=NO_TOKEN, token=tokens.token("jason", is_forged=True), as_="a forged token"),
        ],
    )


def only_admins(evidence: Evidence) -> Verdict:
    """Whether httpbin is for admins."""
    kate, jason = tokens.token("kate", groups=["admins"]), tokens.token("jason", groups=["users"])
    ann = tokens.token("ann", groups=["users", "admins"])
    return permissions.judge(
        evidence,
        [
            Call(service=HTTPBIN, path=GET, status=REFUSED, as_="nobody"),
            Call(service=HTTPBIN, path=GET, status=REFUSED, token=jason, as_="jason"),
            Call(service=HTTPBIN, path=GET, status=ALLOWED, token=kate, as_="kate"),
            Call(service=HTTPBIN, path=GET, status=ALLOWED, token=ann, as_="ann, another admin"),
        ],
    )


def testers_alone(evidence: Evidence) -> Verdict:
    """Whether /get at the gateway leads testers to httpbin, and nobody else anywhere."""
    calls = [
        Call(path=GET, status=ALLOWED, token=tokens.token("kate", groups=[TESTERS]), as_="kate, a tester"),
        Call(path=GET, status=ALLOWED, token=tokens.token("ann", groups=["users", TESTERS]), as_="ann, another tester"),
        Call(path=GET, status=404, token=tokens.token("jason", groups=["users"]), as_="jason"),
        Call(path=GET, status=404, as_="nobody"),
        Call(path=PAGE, status=ALLOWED, as_="nobody"),
    ]
    expected = "; ".join(f"{call} → {call.status}" for call in calls)
    statuses = [permissions.measured(evidence, call) for call in calls]
    observed = "; ".join(f"{call} → {status}" for call, status in zip(calls, statuses, strict=True))
    for call, status in zip(calls, statuses, strict=True):
        if status != call.status:
            return verdict.because(expected, observed, cause.ranked(_why_not_routed(evidence, call, status)))
    return verdict.passed(expected, observed)


ASKED = "/anything/users"
WORD = {"x-ext-authz": "allow"}
OWN_WORDS = "ext_authz"
"""Part of what Istio's sample authorizer says when it refuses."""


def an_authorizer_decides(evidence: Evidence) -> Verdict:
    """Whether the authorizer is asked about everything below /anything of httpbin, and about nothing else."""
    seen = permissions.judge(
        evidence,
        [
            Call(service=HTTPBIN, path=ASKED, status=REFUSED, as_="without the header"),
            Call(service=HTTPBIN, path=ASKED, status=ALLOWED, headers=WORD, as_="with the header"),
            Call(service=HTTPBIN, path=GET, status=ALLOWED, as_="without the header"),
        ],
    )
    body = evidence.curl(f"http://{HTTPBIN}{ASKED}").body
    if not seen.passed or OWN_WORDS in body:
        return seen
    sentence = "the refusal is the proxy's own: no policy with the action CUSTOM asks the authorizer about it"
    expected = f"{seen.expected}; the first refusal has the authorizer's words"
    return verdict.because(expected, f"{seen.observed}; {body.strip()}", [cause.shown(sentence)])


def _why_not_routed(evidence: Evidence, call: Call, status: int) -> list[Cause]:
    if status in (NO_TOKEN, REFUSED):
        refused = replace(call, status=ALLOWED)
        return permissions.Scene(evidence).causes(refused, status)
    scene = permissions.Scene(evidence)
    rules = [rule for rule in objects.read(evidence).virtual_services if "@request.auth" in str(rule.get("spec"))]
    if not rules:
        return [cause.undecided("no VirtualService matches on a header that begins with @request.auth.claims")]
    titles = ", ".join(map(objects.title, rules))
    if call.token and not scene.believes(call):
        nobody = cause.undecided("the gateway believes no token, so no request has claims")
        return [*scene.unread(call), nobody]
    if any("mesh" in (objects.spec_of(r).get("gateways") or ["mesh"]) for r in rules):
        return [cause.shown(f"{titles} is for sidecars (`gateways`), and claims are matched at gateways alone")]
    if status == 200:
        return [cause.shown(f"a rule of {titles} without a claim leads there too")]
    claims = call.token.claims if call.token else {}
    ask = Ask(proxy=GATEWAY, host=evidence.address(), path=call.path, claims=claims)
    hop = way.Hop(ask=ask, host=flows.full("httpbin", evidence))
    answer = fetching.Answer(status=status, text="", headers={})
    return [
        *answers.causes(evidence, objects.read(evidence), hop, answer),
        cause.undecided(f"{titles} matches on claims, and this request fits none of its rules"),
    ]


def route(match: list[dict[str, Any]], *, gateways: list[str] | None = None) -> str:
    """A VirtualService that leads what matches to httpbin."""
    http = [{"match": match, "route": [{"destination": {"host": "httpbin", "port": {"number": 8000}}}]}]
    spec = {"hosts": ["*"], "gateways": gateways or ["bookinfo-gateway"], "http": http}
    return _object("networking.istio.io/v1", "VirtualService", "testers", "default", spec)


def _claim(value: dict[str, str], header: str = "@request.auth.claims.groups") -> list[dict[str, Any]]:
    return [{"uri": {"exact": GET}, "headers": {header: value}}]


def asking(rules: list[Any], *, provider: str = "sample-ext-authz-http", labels: dict[str, str] | None = None) -> str:
    """An AuthorizationPolicy that has a provider asked; without labels for all workloads of the namespace."""
    selector = {"selector": {"matchLabels": labels}} if labels else {}
    spec = {**selector, "action": "CUSTOM", "provider": {"name": provider}, "rules": rules}
    return _object("security.istio.io/v1", "AuthorizationPolicy", "ask", "default", spec)


def _paths(*paths: str) -> list[Any]:
    return [{"to": [{"operation": {"paths": list(paths)}}]}]


ANYBODY = [{"from": [{"source": {"requestPrincipals": ["*"]}}]}]
NOBODY = [{"from": [{"source": {"notRequestPrincipals": ["*"]}}]}]
ADMINS = [{"when": [{"key": "request.auth.claims[groups]", "values": ["admins"]}]}]
HTTPBIN_PODS = {"app": "httpbin"}
FOREIGN = '{"keys":[{"kty":"RSA","kid":"other","e":"AQAB","n":"' + "u" * 342 + '"}]}'


def _httpbin(rules: list[Any], action: str = "ALLOW") -> str:
    return policy("admins", rules, namespace="default", labels=HTTPBIN_PODS, action=action)


def _believed(**more: Any) -> str:
    return believing("httpbin", namespace="default", labels=HTTPBIN_PODS, **more)


EXERCISES = (
    Exercise(
        id="13-1",
        task="Require a token of the lessons' issuer for the page at the ingress gateway.",
        done_when="/productpage is 403 without a token, 200 with jason's, and 401 with a forged one",
        check=only_with_a_token,
        hints=(
            "You need two objects: one says which tokens are valid, the other requires one.",
            "A RequestAuthentication with issuer and jwks (lab.jwks()), and an AuthorizationPolicy, in istio-system.",
            'DENY from notRequestPrincipals: ["*"], or ALLOW from requestPrincipals: ["*"]',
        ),
        solution=_both(believing(), policy("token-needed", NOBODY, action="DENY")),
        right=(
            Right(how="whoever has one is allowed", yaml=_both(believing(), policy("users", ANYBODY, action="ALLOW"))),
            Right(
                how="one issuer's subjects",
                yaml=_both(
                    believing(),
                    policy(
                        "users",
                        [{"from": [{"source": {"requestPrincipals": [f"{tokens.ISSUER}/*"]}}]}],
                        action="ALLOW",
                    ),
                ),
            ),
        ),
        wrong=(
            Wrong(
                why="believed and not needed",
                yaml=believing(),
                says="nobody: /productpage: no AuthorizationPolicy speaks of istio-ingressgateway",
            ),
            Wrong(
                why="needed and nobody believed",
                yaml=policy("token-needed", NOBODY, action="DENY"),
                says="jason: /productpage: no RequestAuthentication speaks of istio-ingressgateway",
            ),
            Wrong(
                why="another issuer",
                yaml=_both(believing(issuer="lessons@example.com"), policy("t", NOBODY, action="DENY")),
                says="the token is by lessons@labkit.example, and istio-ingressgateway believes lessons@example.com",
            ),
            Wrong(
                why="another key",
                yaml=_both(believing(keys=FOREIGN), policy("t", NOBODY, action="DENY")),
                says="the token's signature fits none of its `jwks`",
            ),
            Wrong(
                why="an audience that the token has not",
                yaml=_both(believing(audiences=["shop"]), policy("t", NOBODY, action="DENY")),
                says="`audiences` asks for shop",
            ),
            Wrong(
                why="in the course's namespace",
                yaml=_both(believing(namespace="default"), policy("t", NOBODY, namespace="default", action="DENY")),
                says="counts in namespace default alone",
            ),
        ),
    ),
    Exercise(
        id="13-2",
        task="Let only users whose token has the group admins call httpbin. It accepts the lessons' tokens.",
        done_when="/get of httpbin is 403 without a token and for jason of the users, and 200 for kate of the admins",
        check=only_admins,
        hints=(
            "httpbin's own sidecar has to check the token before it knows a claim.",
            "A rule asks for a claim in when: request.auth.claims[groups].",
            "Apply a RequestAuthentication and an ALLOW policy in default, both with the selector app: httpbin.",
        ),
        solution=_both(_believed(), _httpbin(ADMINS)),
        right=(
            Right(
                how="who is not is denied",
                yaml=_both(
                    _believed(),
                    _httpbin([{"when": [{"key": "request.auth.claims[groups]", "notValues": ["admins"]}]}], "DENY"),
                ),
            ),
            Right(
                how="with the principal as well",
                yaml=_both(_believed(), _httpbin([{**ANYBODY[0], **ADMINS[0]}])),
            ),
        ),
        wrong=(
            Wrong(
                why="any token will do",
                yaml=_both(_believed(), _httpbin(ANYBODY)),
                says="jason: httpbin:8000/get: rule 1 of AuthorizationPolicy default/admins allows it",
            ),
            Wrong(
                why="nobody believed",
                yaml=_httpbin(ADMINS),
                says="kate: httpbin:8000/get: no RequestAuthentication speaks of httpbin",
            ),
            Wrong(
                why="another claim",
                yaml=_both(
                    _believed(), _httpbin([{"when": [{"key": "request.auth.claims[group]", "values": ["admins"]}]}])
                ),
                says="asks for the claim group admins, and here it is none",
            ),
            Wrong(
                why="another group",
                yaml=_both(
                    _believed(), _httpbin([{"when": [{"key": "request.auth.claims[groups]", "values": ["admin"]}]}])
                ),
                says="asks for the claim groups admin, and here it is admins",
            ),
            Wrong(
                why="a header that anybody writes",
                yaml=_both(
                    _believed(), _httpbin([{"when": [{"key": "request.headers[x-group]", "values": ["admins"]}]}])
                ),
                says="asks for the header x-group admins",
            ),
            Wrong(
                why="believed at the gateway",
                yaml=_both(believing(), _httpbin(ADMINS)),
                says="kate: httpbin:8000/get: no RequestAuthentication speaks of httpbin",
            ),
        ),
    ),
    Exercise(
        id="13-3",
        task="Route /get at the gateway to httpbin for users of the group testers, and to nothing for all others.",
        done_when="/get is 200 for kate of the testers, 404 for jason and for nobody, and the page answers as before",
        check=testers_alone,
        given=("tokens-at-the-gateway.yaml",),
        hints=(
            "A VirtualService bound to the gateway matches claims as if they were headers.",
            "The name of the header is @request.auth.claims.groups.",
            "headers: {'@request.auth.claims.groups': {exact: testers}} beside uri",
        ),
        solution=route(_claim({"exact": TESTERS})),
        right=(
            Right(how="in brackets", yaml=route(_claim({"exact": TESTERS}, "@request.auth.claims[groups]"))),
            Right(how="by a prefix", yaml=route(_claim({"prefix": "test"}))),
        ),
        wrong=(
            Wrong(
                why="a plain header",
                yaml=route(_claim({"exact": TESTERS}, "groups")),
                says="no VirtualService matches on a header that begins with @request.auth.claims",
            ),
            Wrong(
                why="everybody as well",
                yaml=route([*_claim({"exact": TESTERS}), {"uri": {"exact": GET}}]),
                says="without a claim leads there too",
            ),
            Wrong(
                why="another group",
                yaml=route(_claim({"exact": "tester"})),
                says="the claim groups of the request's token is testers, and the rule wants one that is tester",
            ),
            Wrong(
                why="another claim",
                yaml=route(_claim({"exact": TESTERS}, "@request.auth.claims.group")),
                says="the claim group of the request's token is not there",
            ),
            Wrong(
                why="tokens needed for all",
                yaml=_both(route(_claim({"exact": TESTERS})), policy("token-needed", NOBODY, action="DENY")),
                says="rule 1 of AuthorizationPolicy istio-system/token-needed denies it",
            ),
        ),
    ),
    Exercise(
        id="13-4",
        task="Leave the decision about everything below /anything of httpbin to the authorizer.",
        done_when=(
            "/anything/users is 403, in the authorizer's words, without the header x-ext-authz, and 200 with "
            "x-ext-authz: allow; /get is 200 without it"
        ),
        check=an_authorizer_decides,
        given=("ext-authz.yaml",),
        hints=(
            "The action CUSTOM has the authorizer asked, for what the rules of its policy match.",
            "The policy names a provider of MeshConfig: sample-ext-authz-http, not the Service.",
            "action: CUSTOM, provider: {name: sample-ext-authz-http}, one rule with paths: [/anything/*]",
        ),
        solution=asking(_paths("/anything/*"), labels=HTTPBIN_PODS),
        right=(
            Right(how="by a template", yaml=asking(_paths("/anything/{**}"), labels=HTTPBIN_PODS)),
            Right(how="for the whole namespace", yaml=asking(_paths("/anything", "/anything/*"))),
        ),
        wrong=(
            Wrong(
                why="the Service in place of the provider",
                yaml=asking(_paths("/anything/*"), provider="ext-authz", labels=HTTPBIN_PODS),
                says="names the provider ext-authz, which MeshConfig does not define",
            ),
            Wrong(
                why="asked about everything",
                yaml=asking([{}], labels=HTTPBIN_PODS),
                says="httpbin:8000/get: rule 1 of AuthorizationPolicy default/ask asks sample-ext-authz-http about it",
            ),
            Wrong(
                why="one path alone",
                yaml=asking(_paths("/anything"), labels=HTTPBIN_PODS),
                says="no authorizer is asked about it: rule 1 of AuthorizationPolicy default/ask asks for the path",
            ),
            Wrong(
                why="at the authorizer's own pods",
                yaml=asking(_paths("/anything/*"), labels={"app": "ext-authz"}),
                says="no AuthorizationPolicy speaks of httpbin",
            ),
            Wrong(
                why="the header allowed, and nothing else",
                yaml=_httpbin([{"when": [{"key": "request.headers[x-ext-authz]", "values": ["allow"]}]}]),
                says="httpbin:8000/get: no ALLOW rule applies",
            ),
            Wrong(
                why="the header's absence denied",
                yaml=_httpbin(
                    [
                        {
                            **_paths("/anything/*")[0],
                            "when": [{"key": "request.headers[x-ext-authz]", "notValues": ["allow"]}],
                        }
                    ],
                    "DENY",
                ),
                says="no policy with the action CUSTOM asks the authorizer",
            ),
        ),
    ),
)
