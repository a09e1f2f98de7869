"""Lesson 20, inside istiod and Envoy."""

import re

from labkit.exercises import flows, symptoms, verdict, written
from labkit.exercises.diagnosis import objects, scopes, way
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Right, Wrong
from labkit.exercises.verdict import Verdict
from labkit.kube import resources
from labkit.kube.resources import Object

HEADER = "x-release"
COMMAND = re.compile(r"%([A-Z_]+)(?:\([^)]*\))?(?::\d+)?%|%%")
COMMANDS = frozenset({"REQ", "START_TIME", "PROTOCOL", "HOSTNAME", "DOWNSTREAM_REMOTE_ADDRESS", "ENVIRONMENT"})
"""Some of Envoy's format commands (Access logging, Command operators)."""

CALLED = ("details", "reviews")
"""What productpage calls."""


def sent_clusters(evidence: Evidence) -> Verdict:
    """Whether the filed number is that of the clusters that change."""
    return verdict.number(
        evidence.answer("20-1"),
        3,
        what="clusters that istiod sends to productpage",
        shows="one for each of the two subsets, and the one without a subset, which now names the rule",
        causes={
            2: "the cluster without a subset changes too: its metadata names the DestinationRule",
            1: "each subset is a cluster of its own",
            4: "reviews, ratings and productpage itself did not change, and are not sent again",
            0: "a subset is a cluster in every proxy that may call the host, used or not",
            7: "seven proxies get it; the question is about one of them",
        },
    )


def mended_header(evidence: Evidence) -> Verdict:
    """Whether the rule has its header and is one that Envoy takes."""
    expected = f"reviews come from v1 alone, by a rule that sets {HEADER} and is taken by every proxy"
    rule = evidence.resource(resources.VIRTUAL_SERVICES, "reviews")
    values = _values(rule) if rule else []
    if not values:
        observed = f"no rule sets {HEADER} on requests to reviews"
        return verdict.not_yet(expected, observed, cause=_why_not_set(rule, evidence))
    if not all(values):
        cause = "its value is empty: Envoy sends no header without a value"
        return verdict.not_yet(expected, f"the rule sets {HEADER} to nothing", cause=cause)
    if problem := next(filter(None, map(format_problem, values)), ""):
        cause = "the object is stored, Envoy refuses the routes, and the last good ones stay"
        return verdict.not_yet(expected, problem, cause=cause, next_step="istioctl proxy-status, then lab.analyze()")
    if elsewhere := symptoms.only("v1")(evidence):
        findings = way.follow(evidence, objects.read(evidence), flows.to_reviews(evidence, {"v1": 100.0}))
        return verdict.because(expected, elsewhere, findings.causes)
    return verdict.passed(expected, f"every proxy has the rule; {HEADER} is {values[0]}")


def _values(rule: Object) -> list[str]:
    return [value for name, value in _set_headers(rule, "request") if name.lower() == HEADER]


def _set_headers(rule: Object, side: str) -> list[tuple[str, str]]:
    """Headers that a rule, or one of its destinations, sets or adds on the way there or back."""
    owners = [part for http in rule["spec"].get("http") or [] for part in (http, *(http.get("route") or []))]
    sides = [(owner.get("headers") or {}).get(side) or {} for owner in owners]
    return [(n, str(v)) for own in sides for key in ("set", "add") for n, v in (own.get(key) or {}).items()]


def _why_not_set(rule: Object | None, evidence: Evidence) -> str:
    if rule is None:
        return f"there is no VirtualService reviews in namespace {evidence.namespace}"
    if HEADER in [name.lower() for name, _ in _set_headers(rule, "response")]:
        return f"the rule sets {HEADER} on responses (`headers.response`), and it is for requests (`headers.request`)"
    near = objects.nearest(HEADER, [name.lower() for name, _ in _set_headers(rule, "request")])
    if near:
        return f"the rule sets {near}, which is nearly {HEADER}"
    return f"{HEADER} is what the rule is for: `headers.request.set` gives it a value"


def format_problem(value: str) -> str:
    """Why Envoy does not take a header's value; empty where it does."""
    unknown = next((m[1] for m in COMMAND.finditer(value) if m[1] and m[1] not in COMMANDS), "")
    if unknown:
        return f"{HEADER} has the command %{unknown}%, which Envoy does not know"
    if "%" in COMMAND.sub("", value):
        return f"{HEADER} has a % that begins no command: %% stands for the sign itself"
    return ""


def told_less(evidence: Evidence) -> Verdict:
    """Whether productpage's proxy hears of what it calls, and others of what they call."""
    expected = f"productpage's proxy has clusters of {' and '.join(CALLED)} and of no other Service of the shop"
    own, others = _hosts(evidence, "productpage"), _hosts(evidence, "reviews-v2")
    observed = f"it has {', '.join(sorted(own)) or 'none'}"
    if missing := [host for host in CALLED if host not in own]:
        return verdict.not_yet(expected, observed, cause=_why_unknown(evidence, missing))
    if extra := sorted(own - {*CALLED}):
        return verdict.not_yet(expected, observed, cause=_why_known(evidence, extra))
    if "ratings" not in others:
        cause = "the Sidecar has no workloadSelector, so it is for every pod: reviews no longer knows ratings"
        return verdict.not_yet(expected, observed, cause=cause)
    status = evidence.fetch(symptoms.PAGE).status
    if status != 200:
        return verdict.not_yet(expected, f"{observed}; the page answers {status}", cause="something else is broken")
    return verdict.passed(expected, observed)


def _hosts(evidence: Evidence, pod: str) -> set[str]:
    """Services of the course's namespace that a proxy has outbound clusters of."""
    config = evidence.config(pod)
    suffix = flows.full("", evidence)
    names = [name.split("|") for name in (config.clusters if config else {})]
    return {n[3].removesuffix(suffix) for n in names if n[0] == "outbound" and n[3].endswith(suffix)} - {"kubernetes"}


def _deciding(evidence: Evidence) -> tuple[Object | None, str]:
    """The Sidecar that decides for productpage, and why another one does not."""
    mesh = objects.read(evidence)
    pod = next((p for p in mesh.pods if resources.labels_of(p).get("app") == "productpage"), None)
    if pod is None:
        return None, "productpage has no pod"
    others = scopes.without_a_say(pod, mesh)
    return scopes.sidecar_of(pod, mesh), others[0].sentence if others else ""


def _why_known(evidence: Evidence, extra: list[str]) -> str:
    sidecar, silent = _deciding(evidence)
    if sidecar is None:
        return silent or f"without a Sidecar it hears of every Service, {', '.join(extra)} too"
    hosts = scopes.hosts_of(sidecar)
    told = f"`egress.hosts` of {objects.title(sidecar)}"
    return f"{told} is {', '.join(hosts)}, which lets in {', '.join(extra)}" if hosts else f"{told} is not set"


def _why_unknown(evidence: Evidence, missing: list[str]) -> str:
    """What a Sidecar leaves out that productpage calls; short names mean nothing to it."""
    sidecar, _ = _deciding(evidence)
    lost = f"it calls {' and '.join(missing)}, which its proxy no longer knows"
    if sidecar is None:
        return lost
    full, hosts = flows.full(missing[0], evidence), scopes.hosts_of(sidecar)
    short = next((h for h in hosts if full.startswith(f"{h.partition('/')[2]}.")), "")
    near = objects.nearest(full, [h.partition("/")[2] for h in hosts])
    told = f"{lost}: `egress.hosts` of {objects.title(sidecar)}"
    if short:
        return f"{told} has {short}, and the full name of that host is {full}"
    return f"{told} does not have {full}{f'; {near} is nearly it' if near else ''}"


def _sidecar(*hosts: str, app: str = "productpage") -> str:
    selector = f"  workloadSelector: {{labels: {{app: {app}}}}}\n" if app else ""
    listed = ", ".join(f'"{host}"' for host in hosts)
    return (
        "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: productpage}\n"
        f"spec:\n{selector}  egress:\n  - hosts: [{listed}]\n"
    )


def _rule(value: str | None, subset: str = "v1") -> str:
    headers = {"headers": {"request": {"set": {HEADER: value}}}} if value is not None else {}
    return written.virtual_service("reviews", {**headers, "route": [written.to("reviews", subset=subset)]})


FULL = tuple(f"./{name}.default.svc.cluster.local" for name in CALLED)
SYSTEM = "istio-system/*"

EXERCISES = (
    Exercise(
        id="20-1",
        task="A DestinationRule gives details two subsets. How many clusters does istiod send to productpage for it?",
        done_when="you have filed the right number",
        check=sent_clusters,
        hints=(
            "Apply such a rule, and look at lab.diff().",
            "Count the new clusters and the changed ones.",
            "Each subset is a cluster; the cluster without a subset changes too, as its metadata names the rule.",
        ),
        answer=3,
        wrong=(
            Wrong(why="the subsets alone", answer=2, says="the cluster without a subset changes too"),
            Wrong(why="one for the host", answer=1, says="each subset is a cluster of its own"),
            Wrong(why="everything again", answer=4, says="did not change, and are not sent again"),
            Wrong(why="nothing, since nobody uses it", answer=0, says="used or not"),
            Wrong(why="all proxies", answer=7, says="the question is about one of them"),
        ),
    ),
    Exercise(
        id="20-2",
        task="manifests/rejected.yaml is stored, but no proxy follows it. Repair it: reviews v1 and header x-release.",
        done_when="every proxy has a rule that sends reviews to v1 and sets x-release",
        check=mended_header,
        given=("rejected.yaml",),
        hints=(
            "Which part refused it: the API server, istiod or Envoy? Each reports that in another place.",
            "istioctl proxy-status -v 1 shows who refused the last push; lab.analyze() shows Envoy's message.",
            "Envoy reads %RELEASE% as a command. Use a plain word, or write %% for a per cent sign.",
        ),
        solution=_rule("stable"),
        right=(
            Right(how="a command that there is", yaml=_rule("%REQ(user-agent)%")),
            Right(how="a sign of per cent", yaml=_rule("100%% tested")),
        ),
        wrong=(
            Wrong(why="another unknown command", yaml=_rule("%VERSION%"), says="has the command %VERSION%"),
            Wrong(why="a single sign", yaml=_rule("100% tested"), says="%% stands for the sign itself"),
            Wrong(why="without the header", yaml=_rule(None), says="no rule sets x-release"),
            Wrong(why="to nowhere", yaml=_rule("stable", subset="v2"), says="not from v1 alone"),
        ),
    ),
    Exercise(
        id="20-3",
        task="productpage calls reviews and details. Let its proxy get those two and no other Service of the shop.",
        done_when="productpage's proxy has clusters of reviews and details only, all other proxies have what they had",
        check=told_less,
        hints=(
            "istiod sends every Service to every proxy, unless an object lists the ones a proxy needs.",
            "A Sidecar lists them as egress hosts, for the pods that its workloadSelector selects.",
            "Write each host as ./NAME.default.svc.cluster.local, and add istio-system/*.",
        ),
        solution=_sidecar(*FULL, SYSTEM),
        right=(Right(how="with the namespace's name", yaml=_sidecar(*(h.replace("./", "default/") for h in FULL))),),
        wrong=(
            Wrong(why="the whole namespace", yaml=_sidecar("./*", SYSTEM), says="which lets in productpage, ratings"),
            Wrong(
                why="one forgotten",
                yaml=_sidecar(FULL[1], SYSTEM),
                says="it calls details, which its proxy no longer knows",
            ),
            Wrong(why="for every pod", yaml=_sidecar(*FULL, SYSTEM, app=""), says="reviews no longer knows ratings"),
            Wrong(
                why="for nobody",
                yaml=_sidecar(*FULL, SYSTEM, app="product-page"),
                says="asks for app=product-page, and the pod has app=productpage",
            ),
        ),
    ),
)
