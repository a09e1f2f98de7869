"""Lesson 12, who may call whom."""

from labkit.exercises import verdict
from labkit.exercises.diagnosis import cause, objects, permissions
from labkit.exercises.diagnosis.permissions import ALLOWED, REFUSED, Call
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Right, Wrong
from labkit.exercises.verdict import Verdict
from labkit.kube import resources
from labkit.mesh.policies import selection

PRODUCTPAGE = "cluster.local/ns/default/sa/bookinfo-productpage"
DETAILS, RATINGS, PAGE = "details:9080", "ratings:9080", "productpage:9080"
DOOR = "bookinfo"
"""The Gateway of the Gateway API."""

INGRESS = "cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account"


def policy(
    name: str, rules: str, *, app: str = "", action: str = "ALLOW", namespace: str = "default", more: str = ""
) -> str:
    """An AuthorizationPolicy; ``rules`` in one line of YAML."""
    selector = f"  selector:\n    matchLabels: {{app: {app}}}\n" if app else ""
    return (
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n"
        f"metadata:\n  name: {name}\n  namespace: {namespace}\n{more}"
        f"spec:\n{selector}  action: {action}\n  rules: {rules}\n"
    )


def targeted(name: str, rules: str, *, gateway: str = DOOR, action: str = "DENY") -> str:
    """An AuthorizationPolicy for a Gateway of the Gateway API."""
    return (
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n"
        f"metadata: {{name: {name}, namespace: default}}\n"
        "spec:\n  targetRefs:\n  - group: gateway.networking.k8s.io\n    kind: Gateway\n"
        f"    name: {gateway}\n  action: {action}\n  rules: {rules}\n"
    )


def one_reader(evidence: Evidence) -> Verdict:
    """Whether productpage reads details, and curl does not."""
    return permissions.judge(
        evidence,
        [
            Call(service=DETAILS, path="/details/0", status=REFUSED),
            Call(
                path="/api/v1/products/0",
                status=ALLOWED,
                guarded_by="details",
                by="productpage",
                asks=f"{DETAILS}/details/0",
                as_="productpage",
            ),
        ],
    )


def read_only(evidence: Evidence) -> Verdict:
    """Whether nobody changes ratings, and all read them."""
    seen = permissions.judge(
        evidence,
        [
            Call(service=RATINGS, path="/ratings/7", status=ALLOWED),
            Call(service=RATINGS, path="/ratings/7", method="POST", status=REFUSED),
            Call(service=RATINGS, path="/ratings/7", method="DELETE", status=REFUSED),
            Call(service=DETAILS, path="/details/0", status=ALLOWED),
        ],
    )
    change = Call(service=DETAILS, path="/details/0", method="POST", status=ALLOWED)
    if seen.passed and (causes := permissions.Scene(evidence).refusal(change)):
        told = [each.about("changes of details are refused too, and no other service should change") for each in causes]
        return verdict.because(seen.expected, seen.observed, told)
    return seen


def gateway_again(evidence: Evidence) -> Verdict:
    """Whether the page is for the gateway, and not for curl."""
    return permissions.judge(
        evidence,
        [
            Call(path="/productpage", status=ALLOWED, guarded_by="productpage"),
            Call(service=PAGE, path="/productpage", status=REFUSED),
        ],
    )


def no_api_outside(evidence: Evidence) -> Verdict:
    """Whether the API is closed at the door of the Gateway API, by a policy that names it, and open inside."""
    seen = permissions.judge(
        evidence,
        [
            Call(path="/productpage", status=ALLOWED, through=DOOR),
            Call(path="/api/v1/products/0", status=REFUSED, through=DOOR),
            Call(path="/api/v1/products", status=REFUSED, through=DOOR),
            Call(service=PAGE, path="/api/v1/products/0", status=ALLOWED),
        ],
    )
    policies = evidence.everywhere(resources.AUTHORIZATION_POLICIES)
    if not seen.passed or any(selection.targets_of(objects.spec_of(p)) for p in policies):
        return seen
    chosen = [objects.title(p) for p in policies if objects.spec_of(p).get("selector")]
    why = cause.shown(
        f"{' and '.join(chosen) or 'something else'} closes it, and no policy has targetRefs: a selector chooses pods "
        "by labels that whoever runs the gateway may change, targetRefs name the Gateway itself"
    )
    return verdict.because(seen.expected, seen.observed, [why])


def _from(principal: str) -> str:
    return f'[{{from: [{{source: {{principals: ["{principal}"]}}}}]}}]'


ACCOUNT = "[{from: [{source: {serviceAccounts: [bookinfo-productpage]}}]}]"
CHANGES = "[{to: [{operation: {methods: [POST, PUT, PATCH, DELETE]}}]}]"
API = '[{to: [{operation: {paths: ["/api/*"]}}]}]'
DRY = '  annotations: {istio.io/dry-run: "true"}\n'

EXERCISES = (
    Exercise(
        id="12-1",
        task="Let productpage read details, and nobody else.",
        done_when="details answers productpage, and curl gets 403",
        check=one_reader,
        hints=(
            "One ALLOW policy for details is enough: it refuses every request that none of its rules allows.",
            "The caller is known by its service account: kubectl get pod -l app=productpage -o yaml shows which.",
            'principals: ["cluster.local/ns/default/sa/bookinfo-productpage"], below from and source',
        ),
        solution=policy("details-viewer", _from(PRODUCTPAGE), app="details"),
        right=(
            Right(how="by its service account", yaml=policy("details-viewer", ACCOUNT, app="details")),
            Right(
                how="curl alone is denied",
                yaml=policy("no-curl", _from("cluster.local/ns/default/sa/default"), app="details", action="DENY"),
            ),
        ),
        wrong=(
            Wrong(
                why="a misspelt account",
                yaml=policy("details-viewer", _from(PRODUCTPAGE.replace("bookinfo-", "")), app="details"),
                says="asks for the principal cluster.local/ns/default/sa/productpage",
            ),
            Wrong(
                why="the whole namespace",
                yaml=policy("details-viewer", "[{from: [{source: {namespaces: [default]}}]}]", app="details"),
                says="rule 1 of AuthorizationPolicy default/details-viewer allows it",
            ),
            Wrong(
                why="a selector that fits nobody",
                yaml=policy("details-viewer", _from(PRODUCTPAGE), app="detials"),
                says="the selector of AuthorizationPolicy default/details-viewer asks for app=detials",
            ),
            Wrong(
                why="another namespace",
                yaml=policy("details-viewer", _from(PRODUCTPAGE), app="details", namespace="other"),
                says="counts in namespace other alone",
            ),
            Wrong(why="no rule at all", yaml=policy("details-viewer", "[]", app="details"), says="applies to nothing"),
            Wrong(
                why="a prefix that principals have not",
                yaml=policy("details-viewer", _from(f"spiffe://{PRODUCTPAGE}"), app="details"),
                says="no ALLOW rule applies, and all else is refused",
            ),
            Wrong(
                why="a dry run",
                yaml=policy("details-viewer", _from(PRODUCTPAGE), app="details", more=DRY),
                says="is a dry run",
            ),
        ),
    ),
    Exercise(
        id="12-2",
        task="Let nobody change ratings. Everybody may still read them, and no other service changes.",
        done_when="GET of /ratings/7 is 200, POST and DELETE are 403, and details answers as before",
        check=read_only,
        hints=(
            "Write a DENY policy for the forbidden methods of ratings, or an ALLOW policy for the allowed ones.",
            "Methods stand below to and operation.",
            "action: DENY, methods: [POST, PUT, PATCH, DELETE], and a selector for app: ratings",
        ),
        solution=policy("ratings-read-only", CHANGES, app="ratings", action="DENY"),
        right=(
            Right(
                how="reading alone is allowed",
                yaml=policy("ratings-viewer", "[{to: [{operation: {methods: [GET]}}]}]", app="ratings"),
            ),
            Right(
                how="all but reading is denied",
                yaml=policy("only-get", "[{to: [{operation: {notMethods: [GET]}}]}]", app="ratings", action="DENY"),
            ),
        ),
        wrong=(
            Wrong(
                why="allowed instead of denied",
                yaml=policy("ratings-read-only", CHANGES, app="ratings"),
                says="asks for the method POST or PUT or PATCH or DELETE, and here it is GET",
            ),
            Wrong(
                why="only one of them",
                yaml=policy("no-post", "[{to: [{operation: {methods: [POST]}}]}]", app="ratings", action="DENY"),
                says="curl: DELETE ratings:9080/ratings/7",
            ),
            Wrong(
                why="small letters",
                yaml=policy("no", "[{to: [{operation: {methods: [post, delete]}}]}]", app="ratings", action="DENY"),
                says="POST ratings:9080/ratings/7 → 200",
            ),
            Wrong(
                why="everything",
                yaml=policy("closed", "[{}]", app="ratings", action="DENY"),
                says="rule 1 of AuthorizationPolicy default/closed denies it",
            ),
            Wrong(
                why="only noted",
                yaml=policy("audited", CHANGES, app="ratings", action="AUDIT"),
                says="no rule that refuses",
            ),
            Wrong(
                why="the whole namespace",
                yaml=policy("read-only", "[{to: [{operation: {paths: ['/ratings/*'], methods: [GET]}}]}]"),
                says="details:9080/details/0: no ALLOW rule applies",
            ),
        ),
    ),
    Exercise(
        id="12-3",
        task="Only the namespace may call productpage, so the gateway is locked out. Let in the gateway alone.",
        done_when="the page answers through the gateway, and curl gets 403 from productpage",
        check=gateway_again,
        given=("only-own-namespace.yaml",),
        hints=(
            "The gateway is a caller like any other. In which namespace does it run?",
            "kubectl get pod -n istio-system -l app=istio-ingressgateway -o yaml shows its service account.",
            "namespaces: [istio-system] instead of [default], in a policy of the same name",
        ),
        solution=policy("only-own-namespace", "[{from: [{source: {namespaces: [istio-system]}}]}]", app="productpage"),
        right=(
            Right(how="its account alone", yaml=policy("only-own-namespace", _from(INGRESS), app="productpage")),
            Right(
                how="its service account, by namespace and name",
                yaml=policy(
                    "only-own-namespace",
                    "[{from: [{source: {serviceAccounts: [istio-system/istio-ingressgateway-service-account]}}]}]",
                    app="productpage",
                ),
            ),
        ),
        wrong=(
            Wrong(
                why="open to all",
                yaml=policy("only-own-namespace", "[{}]", app="productpage"),
                says="rule 1 of AuthorizationPolicy default/only-own-namespace allows it",
            ),
            Wrong(
                why="a second policy beside the first",
                yaml=policy("gateway", "[{from: [{source: {namespaces: [istio-system]}}]}]", app="productpage"),
                says="rule 1 of AuthorizationPolicy default/only-own-namespace allows it",
            ),
            Wrong(
                why="a policy at the gateway",
                yaml=policy("open", "[{}]", app="istio-ingressgateway", namespace="istio-system"),
                says="asks for the namespace default, and here it is istio-system",
            ),
            Wrong(
                why="the gateway's name for its account",
                yaml=policy(
                    "only-own-namespace",
                    _from("cluster.local/ns/istio-system/sa/istio-ingressgateway"),
                    app="productpage",
                ),
                says="asks for the principal cluster.local/ns/istio-system/sa/istio-ingressgateway, and here it is",
            ),
            Wrong(
                why="addresses of pods",
                yaml=policy(
                    "only-own-namespace", '[{from: [{source: {ipBlocks: ["10.96.0.0/12"]}}]}]', app="productpage"
                ),
                says="asks for the peer address 10.96.0.0/12",
            ),
        ),
    ),
    Exercise(
        id="12-4",
        task="Close /api at the Gateway bookinfo of the Gateway API, with targetRefs. Inside it stays open.",
        done_when="a policy names the gateway; its page is 200, all below /api 403, and curl inside has /api as ever",
        check=no_api_outside,
        given=("bookinfo-gateway-api.yaml",),
        hints=(
            "Write targetRefs in place of selector; it names the Gateway itself.",
            "Write a DENY policy for paths that begin with /api/.",
            'paths: ["/api/*"]; group gateway.networking.k8s.io, kind Gateway, name bookinfo',
        ),
        solution=targeted("no-api", API),
        right=(
            Right(
                how="all but that is allowed",
                yaml=targeted("no-api", '[{to: [{operation: {notPaths: ["/api/*"]}}]}]', action="ALLOW"),
            ),
        ),
        wrong=(
            Wrong(
                why="at productpage instead",
                yaml=policy("no-api", API, app="productpage", action="DENY"),
                says="productpage:9080/api/v1/products/0",
            ),
            Wrong(
                why="no star",
                yaml=targeted("no-api", '[{to: [{operation: {paths: ["/api"]}}]}]'),
                says="no DENY rule applies to it: rule 1 of AuthorizationPolicy default/no-api asks for the path /api,",
            ),
            Wrong(
                why="another Gateway",
                yaml=targeted("no-api", API, gateway="bookinfo-gateway"),
                says="names Gateway bookinfo-gateway, which is not the Gateway of bookinfo-istio",
            ),
            Wrong(
                why="by the labels of its pods",
                yaml=(
                    "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: no-api}\nspec:\n"
                    "  selector: {matchLabels: {gateway.networking.k8s.io/gateway-name: bookinfo}}\n"
                    f"  action: DENY\n  rules: {API}\n"
                ),
                says="AuthorizationPolicy default/no-api closes it, and no policy has targetRefs",
            ),
            Wrong(
                why="at the old ingress gateway",
                yaml=policy("no-api", API, app="istio-ingressgateway", namespace="istio-system", action="DENY"),
                says="no AuthorizationPolicy speaks of bookinfo-istio",
            ),
            Wrong(
                why="one path",
                yaml=targeted("no-api", '[{to: [{operation: {paths: ["/api/v1/products/0"]}}]}]'),
                says="/api/v1/products → 200",
            ),
        ),
    ),
)
