"""Lesson 05, verify: three mysteries, each solved by whoever names the object at fault and mends it."""

from labkit.base import settings
from labkit.exercises import filed, flows, verdict
from labkit.exercises.diagnosis import answers, destinations, objects, way
from labkit.exercises.diagnosis.decision import Decision
from labkit.exercises.evidence import GATEWAY as GATEWAY_POD
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Right, Wrong
from labkit.exercises.verdict import Verdict
from labkit.kube import manifests

MANIFESTS = settings.CHECKOUT / "notebooks" / "manifests"
PAGE = "/productpage"


def mystery(evidence: Evidence, id: str, *, culprit: str, path: str) -> Verdict:
    """Whether the filed object is the culprit, and the path answers 200 again."""
    expected = f"the object at fault is filed, and {path} answers 200"
    reply = evidence.fetch(path)
    status = reply.status
    answer = evidence.answer(id)
    observed = f"{path} answers {status or 'nothing'}, {f'{answer!r} is filed' if answer else 'nothing is filed'}"
    if not answer:
        file = f'lab.answer("{id}", "deployment/ratings-v1") files an object, by kind and name'
        cause = (
            f"the path works again, and the object that was at fault is not filed: {file}" if status == 200 else file
        )
        return verdict.not_yet(expected, observed, cause=cause)
    named = filed.parse(answer)
    if str(named) != culprit:
        problem = filed.problem(named, evidence)
        return verdict.not_yet(expected, observed, cause=problem or _another(evidence, named, path, status))
    if status == 200:
        return verdict.passed(expected, observed)
    findings = _follow(evidence, path)
    causes = findings.causes
    unheard = destinations.unheard(findings.last.targets, objects.read(evidence)) if findings.last else None
    if not causes and unheard:
        causes = [unheard]
    if not causes:
        causes = answers.causes(evidence, objects.read(evidence), flows.at_gateway(evidence, path), reply)
    why = causes[0].sentence if causes else f"{path} answers {status or 'nothing'}"
    return verdict.not_yet(expected, observed, cause=f"it is the right object, and it is not mended so far: {why}")


def _follow(evidence: Evidence, path: str) -> way.Findings:
    hops = flows.to_reviews(evidence) if path == flows.REVIEWS else [flows.at_gateway(evidence, path)]
    return way.follow(evidence, objects.read(evidence), list(hops))


def _another(evidence: Evidence, named: filed.Named, path: str, status: int) -> str:
    """Of an object that exists and is not at fault: where the request ends, and no more than that."""
    if status == 200:
        return f"{named} was not at fault: which object did you change to mend it?"
    return f"{named} is not at fault: {_last_link(_follow(evidence, path).last)}"


def _last_link(decision: Decision | None) -> str:
    """How far the request comes, in Envoy's words, without the object behind it."""
    if decision is None:
        return "a proxy on the way is missing"
    whose = "the gateway's Envoy" if decision.ask.proxy == GATEWAY_POD else f"the Envoy of {decision.ask.proxy}"
    explanation = decision.explanation
    if not explanation.listener:
        return f"{whose} has no listener where the request comes in"
    if explanation.index < 0:
        return f"{whose} listens, and has no route for {decision.ask.path}"
    if not all(target.exists for target in decision.targets):
        return f"{whose} has a route, and it leads to a cluster that does not exist"
    if not all(target.endpoints for target in decision.targets):
        return f"{whose} has a route and a cluster, and nobody is behind the cluster"
    return f"{whose} sends the request on; look at what answers it"


def _mended(file: str, kind: str, name: str) -> str:
    """An object as the course's own file has it."""
    own = manifests.read(MANIFESTS / file)
    return manifests.dump(next(o for o in own if o["kind"] == kind and o["metadata"]["name"] == name))


GATEWAY = _mended("bookinfo-gateway.yaml", "Gateway", "bookinfo-gateway")
SHOP = _mended("bookinfo-gateway.yaml", "VirtualService", "bookinfo")
REVIEWS = _mended("bookinfo.yaml", "Service", "reviews")

EXERCISES = (
    Exercise(
        id="05-1",
        task="Nothing answers from outside. Find the object at fault and mend it.",
        done_when="the object is filed, and the shop answers again",
        check=lambda evidence: mystery(evidence, "05-1", culprit="gateway/bookinfo-gateway", path=PAGE),
        given=("mystery-1.yaml",),
        hints=(
            "No answer at all: which link is that?",
            "The gateway's Envoy has no listener at 8080. Which object asks for one, and of whom?",
            "Compare the selector of the Gateway with the labels of the gateway's pod.",
        ),
        solution=GATEWAY,
        answer="gateway/bookinfo-gateway",
        right=(
            Right(how="by kind, then name", yaml=GATEWAY, answer="Gateway bookinfo-gateway"),
            Right(
                how="with group and namespace",
                yaml=GATEWAY,
                answer="gateways.networking.istio.io default/bookinfo-gateway",
            ),
            Right(
                how="mended by another label of the pod",
                yaml=GATEWAY.replace("istio: ingressgateway", "app: istio-ingressgateway"),
                answer="gw/bookinfo-gateway",
            ),
        ),
        wrong=(
            Wrong(
                why="mended, another object filed", yaml=GATEWAY, answer="service/productpage", says="was not at fault"
            ),
            Wrong(
                why="another object filed",
                answer="service/productpage",
                says="the gateway's Envoy has no listener where the request comes in",
            ),
            Wrong(
                why="the right one, not mended",
                answer="gateway/bookinfo-gateway",
                says="not mended so far: the selector of Gateway default/bookinfo-gateway is istio=ingress-gateway",
            ),
            Wrong(why="mended, nothing filed", yaml=GATEWAY, says="the object that was at fault is not filed"),
            Wrong(why="without its kind", yaml=GATEWAY, answer="bookinfo-gateway", says="the kind is missing: Gateway"),
            Wrong(
                why="misspelt",
                yaml=GATEWAY,
                answer="gateway/bookinfo-gatway",
                says="there is no Gateway bookinfo-gatway",
            ),
        ),
    ),
    Exercise(
        id="05-2",
        task="The page comes, but something is missing in it. Find the object at fault and mend it.",
        done_when="the object is filed, and the reviews are there again",
        check=lambda evidence: mystery(evidence, "05-2", culprit="service/reviews", path=flows.REVIEWS),
        given=("mystery-2.yaml",),
        hints=(
            "lab.page() shows which part is missing; ask for that part alone.",
            "Does productpage's Envoy have endpoints for it?",
            "Compare the selector of Service reviews with the labels of its pods.",
        ),
        solution=REVIEWS,
        answer="service/reviews",
        right=(Right(how="short", yaml=REVIEWS, answer="svc/reviews"),),
        wrong=(
            Wrong(why="the pods blamed", answer="deployment/reviews-v1", says="nobody is behind the cluster"),
            Wrong(why="the caller blamed", answer="deployment/productpage-v1", says="nobody is behind the cluster"),
            Wrong(
                why="the right one, not mended",
                answer="service/reviews",
                says="no ready pod is behind Service default/reviews, whose selector is app=reviews, version=v4",
            ),
            Wrong(
                why="led to a port where nobody listens",
                yaml=REVIEWS.replace("port: 9080", "port: 9080\n    targetPort: 9081"),
                answer="service/reviews",
                says="Service default/reviews leads to port 9081 of its pods (`targetPort`), and they listen at 9080",
            ),
            Wrong(why="without its kind", yaml=REVIEWS, answer="reviews", says="the kind is missing: Service"),
            Wrong(why="misspelt", answer="service/reveiws", says="there is no Service reveiws; did you mean reviews?"),
        ),
    ),
    Exercise(
        id="05-3",
        task="A status that you know, for another reason. Find the object at fault and mend it.",
        done_when="the object is filed, and the shop answers again",
        check=lambda evidence: mystery(evidence, "05-3", culprit="virtualservice/bookinfo", path=PAGE),
        given=("mystery-3.yaml",),
        hints=(
            "503: there is a route. Where does it lead?",
            'Look at the cluster in lab.proxy("istio-ingressgateway").routes(host="*"), number for number.',
            "Service productpage has a port 9080, and no other.",
        ),
        solution=SHOP,
        answer="virtualservice/bookinfo",
        right=(Right(how="two words", yaml=SHOP, answer="the Virtual Service bookinfo"),),
        wrong=(
            Wrong(
                why="the Service blamed", answer="service/productpage", says="it leads to a cluster that does not exist"
            ),
            Wrong(
                why="the right one, not mended",
                answer="virtualservice/bookinfo",
                says="sends to port 9081 of productpage, and Service productpage has port 9080",
            ),
            Wrong(why="without its kind", yaml=SHOP, answer="bookinfo", says="the kind is missing: VirtualService"),
            Wrong(why="another kind", yaml=SHOP, answer="gateway/bookinfo", says="there is no Gateway bookinfo"),
        ),
    ),
)
