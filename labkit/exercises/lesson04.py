"""Lesson 04, expose the gateway."""

from labkit.exercises import flows, second_door, verdict
from labkit.exercises.diagnosis import answers, cause, matches, objects, way
from labkit.exercises.diagnosis.cause import Cause
from labkit.exercises.diagnosis.objects import Objects
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Right, Wrong
from labkit.exercises.verdict import Verdict
from labkit.traffic import fetching, results

HOST = "bookstore.example"
GATEWAY = "bookinfo-gateway"
READS = "/reviews/0"
SHOP = "/productpage"
OTHER = "elsewhere.example"


def one_more_path(evidence: Evidence) -> Verdict:
    """Whether the gateway leads /reviews/0 to reviews, and the shop is still open."""
    expected = f"200 for {READS}, answered by reviews, and 200 for {SHOP}"
    shop, reviews = evidence.fetch(SHOP), evidence.fetch(READS)
    observed = f"{READS} answers {_status(reviews)}, {SHOP} {_status(shop)}"
    mesh = objects.read(evidence)
    if reviews.status != 200 or '"reviews"' not in reviews.text:
        hop = flows.at_gateway(evidence, READS, service="reviews")
        return verdict.because(expected, observed, answers.causes(evidence, mesh, hop, reviews))
    if shop.status != 200:
        hop = flows.at_gateway(evidence, SHOP)
        return verdict.because(expected, observed, answers.causes(evidence, mesh, hop, shop))
    return verdict.passed(expected, observed)


def own_name(evidence: Evidence) -> Verdict:
    """Whether / at bookstore.example is the product page, and at other hosts nothing."""
    expected = f"the product page for / at {HOST}, 404 for / at any other host"
    mesh = objects.read(evidence)
    named, other = evidence.fetch("/", headers={"Host": HOST}), evidence.fetch("/", headers={"Host": OTHER})
    plain = evidence.fetch("/")
    observed = f"/ answers {_status(named)} at {HOST}, {_status(max((other, plain), key=_is_open))} at another host"
    hop = flows.at_gateway(evidence, "/", host=HOST)
    if named.status != 200:
        return verdict.because(expected, observed, answers.causes(evidence, mesh, hop, named))
    if not _is_product_page(named):
        causes = way.follow(evidence, mesh, [hop]).causes or [_other_page(evidence, mesh, hop)]
        return verdict.because(expected, f"{observed}, and it is not the product page", causes)
    if _is_open(other) or _is_open(plain):
        asked = OTHER if _is_open(other) else ""
        open_to = way.follow(evidence, mesh, [flows.at_gateway(evidence, "/", host=asked)]).last
        by = matches.rule_title(open_to.route, open_to, mesh) if open_to else "a rule"
        why = cause.shown(f"{by} takes / at other hosts too: its `hosts` should name {HOST} alone")
        return verdict.because(expected, observed, [why])
    return verdict.passed(expected, observed)


def _is_open(answer: fetching.Answer) -> bool:
    return answer.status not in (0, 404)


def _is_product_page(answer: fetching.Answer) -> bool:
    """By the pod of reviews that it names, as no other page of the shop does."""
    return bool(results.served_by(answer.text.encode())[0])


def _other_page(evidence: Evidence, mesh: Objects, hop: way.Hop) -> Cause:
    decision = way.follow(evidence, mesh, [hop]).last
    path = answers.rewritten(decision.action, hop.ask.path) if decision else hop.ask.path
    return cause.shown(
        f"the application is asked for {path}, where it has another page: `rewrite` beside `route` changes the path"
    )


def _status(answer: fetching.Answer) -> str:
    return str(answer.status) if answer.status else "nothing"


def _reviews(
    *,
    gateways: str = f"[{GATEWAY}]",
    hosts: str = '["*"]',
    match: str = "uri: {prefix: /reviews}",
    to: str = "reviews",
    port: int = 9080,
    more: str = "",
    namespace: str = "default",
) -> str:
    bound = f"\n  gateways: {gateways}" if gateways else ""
    return f"""apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: reviews-outside, namespace: {namespace}}}
spec:
  hosts: {hosts}{bound}
  http:
  - match:
    - {match}{more}
    route:
    - destination: {{host: {to}, port: {{number: {port}}}}}
"""


REWRITE = "\n    rewrite: {uri: /productpage}"


def _bookstore(
    *,
    host: str = HOST,
    rewrite: str = REWRITE,
    uri: str = "exact: /",
    gateways: str = f"[{GATEWAY}]",
    to: str = "productpage",
    namespace: str = "default",
) -> str:
    bound = f"\n  gateways: {gateways}" if gateways else ""
    return f"""apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: bookstore, namespace: {namespace}}}
spec:
  hosts: ["{host}"]{bound}
  http:
  - match:
    - uri: {{{uri}}}{rewrite}
    route:
    - destination: {{host: {to}, port: {{number: 9080}}}}
"""


REDIRECT = f"""apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: bookstore}}
spec:
  hosts: [{HOST}]
  gateways: [{GATEWAY}]
  http:
  - match:
    - uri: {{exact: /}}
    redirect: {{uri: /productpage}}
"""

ONLY_READS = f"""apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: bookinfo}}
spec:
  hosts: ["*"]
  gateways: [{GATEWAY}]
  http:
  - match:
    - uri: {{prefix: /reviews}}
    route:
    - destination: {{host: reviews, port: {{number: 9080}}}}
"""


EXERCISES = (
    Exercise(
        id="04-1",
        task="Let the outside read /reviews/0, answered by the service reviews at port 9080; keep the shop open.",
        done_when="/reviews/0 and /productpage both answer 200",
        check=one_more_path,
        given=("bookinfo-gateway.yaml",),
        hints=(
            "A second VirtualService may use the same gateway.",
            "It needs hosts, gateways, and one match: the path begins with /reviews.",
            f'hosts: ["*"]; gateways: [{GATEWAY}]; match: - uri: {{prefix: /reviews}}; route to reviews, port 9080',
        ),
        solution=_reviews(),
        right=(
            Right(how="exact", yaml=_reviews(match="uri: {exact: /reviews/0}")),
            Right(how="by regex", yaml=_reviews(match='uri: {regex: "/reviews/[0-9]+"}')),
            Right(how="the gateway with its namespace", yaml=_reviews(gateways=f"[default/{GATEWAY}]")),
            Right(how="the full name", yaml=_reviews(to="reviews.default.svc.cluster.local")),
        ),
        wrong=(
            Wrong(why="not bound", yaml=_reviews(gateways="", hosts="[reviews]"), says="has no line `gateways`"),
            Wrong(
                why="a misspelt gateway",
                yaml=_reviews(gateways="[bookinfo-gatway]"),
                says="bound to the Gateway bookinfo-gatway, and there is none of that name; did you mean "
                "bookinfo-gateway",
            ),
            Wrong(
                why="another namespace",
                yaml=_reviews(namespace="istio-system"),
                says="bound to the Gateway istio-system/bookinfo-gateway, which does not exist",
            ),
            Wrong(
                why="another path",
                yaml=_reviews(match="uri: {prefix: /review/}"),
                says="the path /reviews/0 is not below /review/",
            ),
            Wrong(
                why="capital letters",
                yaml=_reviews(match="uri: {prefix: /Reviews}"),
                says="capital letters count",
            ),
            Wrong(why="another port", yaml=_reviews(port=80), says="Service reviews has port 9080"),
            Wrong(why="a misspelt host", yaml=_reviews(to="review"), says="did you mean reviews"),
            Wrong(why="another service", yaml=_reviews(to="details"), says="sends everything to details"),
            Wrong(
                why="a rewrite to a path that the application lacks",
                yaml=_reviews(more="\n    rewrite: {uri: /}"),
                says="`rewrite` changes /reviews/0 to /",
            ),
            Wrong(
                why="another host",
                yaml=_reviews(hosts="[reviews.example]"),
                says="is for requests to the host reviews.example",
            ),
            Wrong(why="the shop closed", yaml=ONLY_READS, says="the path /productpage is not below /reviews"),
        ),
    ),
    Exercise(
        id="04-2",
        task=f"For the host {HOST} only, let / show the product page.",
        done_when=f"/ is the product page at {HOST} and 404 at any other host",
        check=own_name,
        given=("bookinfo-gateway.yaml",),
        hints=(
            "A VirtualService has hosts of its own; the Gateway may keep its *.",
            "The application knows /productpage, not /: look for rewrite beside route.",
            f"hosts: [{HOST}]; match: - uri: {{exact: /}}; rewrite: {{uri: /productpage}}",
        ),
        solution=_bookstore(),
        right=(
            Right(how="every path of the host", yaml=_bookstore(uri="prefix: /")),
            Right(how="the full name", yaml=_bookstore(to="productpage.default.svc.cluster.local")),
        ),
        wrong=(
            Wrong(why="for every host", yaml=_bookstore(host="*"), says="takes / at other hosts too"),
            Wrong(
                why="the path is not rewritten", yaml=_bookstore(rewrite=""), says="asked for /, where it has another"
            ),
            Wrong(
                why="an answer of the gateway's own",
                yaml=REDIRECT.replace("redirect: {uri: /productpage}", "directResponse: {status: 200}"),
                says="answers by itself with 200 (`directResponse`)",
            ),
            Wrong(why="a redirect", yaml=REDIRECT, says="answers by itself with a redirect"),
            Wrong(why="a misspelt host", yaml=_bookstore(host="bokstore.example"), says="the host bokstore.example"),
            Wrong(
                why="a rewrite to a path that the application lacks",
                yaml=_bookstore(rewrite="\n    rewrite: {uri: /product}"),
                says="`rewrite` changes / to /product",
            ),
            Wrong(why="not bound", yaml=_bookstore(gateways=""), says="has no line `gateways`"),
            Wrong(
                why="another path",
                yaml=_bookstore(uri="exact: /productpage"),
                says="the path / is not /productpage",
            ),
        ),
    ),
    second_door.EXERCISE,
)
