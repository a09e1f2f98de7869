"""Lesson 05, verify: three mysteries. Who names the object at fault and mends it has found it."""

from labkit.base import settings
from labkit.exercises import verdict
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Wrong
from labkit.exercises.verdict import Verdict
from labkit.kube import manifests

MANIFESTS = settings.CHECKOUT / "notebooks" / "manifests"
FORMS = {"svc": "service", "vs": "virtualservice", "gw": "gateway"}
"""Short names that kubectl takes, too."""


def mystery(evidence: Evidence, id: str, *, culprit: str, path: str) -> Verdict:
    """Whether the filed object is the culprit, and the path answers 200 again."""
    expected = f"the object at fault is filed, and {path} answers 200"
    status = int(evidence.send(path)["status"].iloc[0])
    answer = evidence.answer(id)
    observed = f"{path} answers {status or 'nothing'}, {f'{answer!r} is filed' if answer else 'nothing is filed'}"
    if not answer:
        return verdict.not_yet(
            expected, observed, cause=f'file the object, kind and name: lab.answer("{id}", "deployment/ratings-v1")'
        )
    if named(answer) != culprit:
        return verdict.not_yet(
            expected, observed, cause=f"{answer} is as it should be: which link is the last that works?"
        )
    if status != 200:
        return verdict.not_yet(expected, observed, cause="it is the right object, and it is not mended yet")
    return verdict.passed(expected, observed)


def named(answer: object) -> str:
    """``Service reviews``, ``svc/reviews`` and ``service.v1/reviews`` are all ``service/reviews``."""
    kind, _, name = str(answer).strip().lower().replace(" ", "/").partition("/")
    kind = kind.partition(".")[0]
    kind = FORMS.get(kind, kind)
    return f"{kind.removesuffix('s') if kind != 'ingress' else kind}/{name.strip('/')}"


def _mended(file: str, kind: str, name: str) -> str:
    """An object as the course's own file has it."""
    found = manifests.read(MANIFESTS / file)
    return manifests.dump(next(o for o in found if o["kind"] == kind and o["metadata"]["name"] == name))


GATEWAY = _mended("bookinfo-gateway.yaml", "Gateway", "bookinfo-gateway")
SHOP = _mended("bookinfo-gateway.yaml", "VirtualService", "bookinfo")
REVIEWS = _mended("bookinfo.yaml", "Service", "reviews")

EXERCISES = (
    Exercise(
        id="05-1",
        task="Nothing answers from outside. Find the object at fault and mend it.",
        done_when="the object is filed, and the shop answers again",
        check=lambda evidence: mystery(evidence, "05-1", culprit="gateway/bookinfo-gateway", path="/productpage"),
        given=("mystery-1.yaml",),
        hints=(
            "No answer at all: which link is that?",
            "The gateway's Envoy has no listener at 8080. Which object asks for one, and of whom?",
            "Compare the selector of the Gateway with the labels of the gateway's pod.",
        ),
        solution=GATEWAY,
        answer="gateway/bookinfo-gateway",
        wrong=(
            Wrong(why="mended, another object filed", yaml=GATEWAY, answer="service/productpage", says="which link"),
            Wrong(why="found, not mended", answer="gateway/bookinfo-gateway", says="not mended yet"),
            Wrong(why="mended, nothing filed", yaml=GATEWAY, says="file the object"),
        ),
    ),
    Exercise(
        id="05-2",
        task="The page comes, but something is missing in it. Find the object at fault and mend it.",
        done_when="the object is filed, and the reviews are there again",
        check=lambda evidence: mystery(evidence, "05-2", culprit="service/reviews", path="/api/v1/products/0/reviews"),
        given=("mystery-2.yaml",),
        hints=(
            "lab.page() shows which part is missing; ask for that part alone.",
            "Does productpage's Envoy have endpoints for it?",
            "Compare the selector of Service reviews with the labels of its pods.",
        ),
        solution=REVIEWS,
        answer="service/reviews",
        wrong=(Wrong(why="the pods blamed", answer="deployment/reviews-v1", says="as it should be"),),
    ),
    Exercise(
        id="05-3",
        task="A status that you know, for another reason. Find the object at fault and mend it.",
        done_when="the object is filed, and the shop answers again",
        check=lambda evidence: mystery(evidence, "05-3", culprit="virtualservice/bookinfo", path="/productpage"),
        given=("mystery-3.yaml",),
        hints=(
            "503: there is a route. Where does it lead?",
            'Look at the cluster in lab.proxy("istio-ingressgateway").routes(host="*"), number for number.',
            "Service productpage has a port 9080, and no other.",
        ),
        solution=SHOP,
        answer="virtualservice/bookinfo",
        wrong=(Wrong(why="the Service blamed", answer="service/productpage", says="as it should be"),),
    ),
)
