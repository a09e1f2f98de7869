"""Lesson 04, expose the gateway."""

from labkit.exercises import second_door, verdict
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Wrong
from labkit.exercises.verdict import Verdict
from labkit.kube import resources
from labkit.kube.resources import Object

HOST = "bookstore.example"
GATEWAY = "bookinfo-gateway"


def one_more_path(evidence: Evidence) -> Verdict:
    """Whether the gateway leads /reviews/0 to reviews, and the shop is still open."""
    expected = "200 for /reviews/0 and for /productpage"
    shop, reviews = _status(evidence, "/productpage"), _status(evidence, "/reviews/0")
    observed = f"/reviews/0 answers {_said(reviews)}, /productpage {_said(shop)}"
    if shop == reviews == 200:
        return verdict.passed(expected, observed)
    if shop != 200:
        return verdict.not_yet(
            expected,
            observed,
            cause="the shop is closed: the VirtualService bookinfo is gone or has lost its paths",
            next_step="lab.expose()",
        )
    return verdict.not_yet(expected, observed, cause=_why(evidence, "/reviews", reviews))


def own_name(evidence: Evidence) -> Verdict:
    """Whether / at bookstore.example is the product page, and at other hosts nothing."""
    expected = f"the product page for / at {HOST}, 404 for / at any other host"
    there = evidence.send("/", headers={"Host": HOST}).iloc[0]
    named, other = int(there["status"]), _status(evidence, "/")
    observed = f"/ answers {_said(named)} at {HOST}, {_said(other)} elsewhere"
    if named != 200:
        return verdict.not_yet(expected, observed, cause=_why(evidence, HOST, named))
    if other != 404:
        return verdict.not_yet(expected, observed, cause=f"the rule is for every host; hosts should say {HOST}")
    if not there["version"]:
        return verdict.not_yet(
            expected,
            f"{observed}, and it is not the product page",
            cause="the application is asked for / and has another page there: rewrite the path",
        )
    return verdict.passed(expected, observed)


def _status(evidence: Evidence, path: str) -> int:
    return int(evidence.send(path)["status"].iloc[0])


def _said(status: int) -> str:
    return str(status) if status else "nothing"


def _why(evidence: Evidence, about: str, status: int) -> str:
    if status >= 500:
        return "there is a route, and it leads to nobody: check host and port of the destination"
    unbound = [
        r for r in evidence.resources(resources.VIRTUAL_SERVICES) if about in str(r["spec"]) and not _is_bound(r)
    ]
    if unbound:
        name = resources.name_of(unbound[0])
        return f"VirtualService {name} is not bound to {GATEWAY}: it needs a line gateways"
    return "no route fits: check the paths and hosts of your VirtualService"


def _is_bound(rule: Object) -> bool:
    return any(name.rpartition("/")[2] == GATEWAY for name in rule["spec"].get("gateways") or [])


def _reviews(*, gateways: str = f"[{GATEWAY}]", host: str = "*", prefix: str = "/reviews", port: int = 9080) -> str:
    bound = f"\n  gateways: {gateways}" if gateways else ""
    return f"""apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: reviews-outside}}
spec:
  hosts: ["{host}"]{bound}
  http:
  - match:
    - uri: {{prefix: {prefix}}}
    route:
    - destination: {{host: reviews, port: {{number: {port}}}}}
"""


def _bookstore(*, host: str = HOST, rewrite: str = "\n    rewrite: {uri: /productpage}") -> str:
    return f"""apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: bookstore}}
spec:
  hosts: ["{host}"]
  gateways: [{GATEWAY}]
  http:
  - match:
    - uri: {{exact: /}}{rewrite}
    route:
    - destination: {{host: productpage, port: {{number: 9080}}}}
"""


EXERCISES = (
    Exercise(
        id="04-1",
        task="Let the outside read /reviews/0, answered by the service reviews at port 9080; keep the shop open.",
        done_when="/reviews/0 and /productpage both answer 200",
        check=one_more_path,
        given=("bookinfo-gateway.yaml",),
        hints=(
            "A second VirtualService will do; two for one gateway are put together.",
            f'It needs hosts: ["*"], gateways: [{GATEWAY}], a match and a destination.',
            "match: - uri: {prefix: /reviews}; destination: {host: reviews, port: {number: 9080}}",
        ),
        solution=_reviews(),
        wrong=(
            Wrong(why="not bound", yaml=_reviews(gateways="", host="reviews"), says="not bound to bookinfo-gateway"),
            Wrong(why="another path", yaml=_reviews(prefix="/review/"), says="no route fits"),
            Wrong(why="another port", yaml=_reviews(port=80), says="leads to nobody"),
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
        wrong=(
            Wrong(why="for every host", yaml=_bookstore(host="*"), says="for every host"),
            Wrong(why="the path is not rewritten", yaml=_bookstore(rewrite=""), says="rewrite the path"),
        ),
    ),
    second_door.EXERCISE,
)
