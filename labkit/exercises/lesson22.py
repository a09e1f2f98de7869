"""Lesson 22, ambient."""

from labkit.exercises import flows, verdict
from labkit.exercises.diagnosis import ambient, waypoints
from labkit.exercises.diagnosis.ambient import ANSWERED, CLOSED, REFUSED, Call
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Right, Wrong
from labkit.exercises.lesson12 import DRY, policy
from labkit.exercises.verdict import Verdict
from labkit.exercises.written import backends, http_route
from labkit.traffic import judge

REVIEWS = "cluster.local/ns/default/sa/bookinfo-reviews"
WAYPOINT = "cluster.local/ns/default/sa/waypoint"
STARS = 12
"""Reviews that are asked: one in three versions has no stars, so all twelve without any are a chance of 2e-6."""

COUNT = 400
"""Requests of a judgement: a quarter and a third are told apart with a false alarm under 1e-4."""

WAY = ("istio-ingressgateway", "productpage", "reviews", "ratings")
"""Who calls whom until there are stars."""

LATE = "Ratings service is currently unavailable"


def only_reviews(evidence: Evidence) -> Verdict:
    """Whether reviews gets its stars, and curl no answer from ratings."""
    return _beside_stars(evidence, ambient.judge(evidence, [Call(app="ratings", path="/ratings/0", seen=CLOSED)]))


def _beside_stars(evidence: Evidence, seen: Verdict) -> Verdict:
    """The verdict on calls of curl, passed only while reviews gets its stars as well."""
    texts = [evidence.fetch(flows.REVIEWS).text for _ in range(STARS)]
    starless = sum(LATE in text for text in texts)
    starred = sum('"stars"' in text for text in texts)
    expected = f"reviews gets its stars; {seen.expected}"
    observed = f"{starred} of {STARS} reviews with stars, {starless} without ratings; {seen.observed}"
    if not seen.passed:
        return verdict.not_yet(expected, observed, cause=seen.cause, next_step=seen.next_step)
    if starless or not starred:
        return verdict.because(expected, observed, ambient.Scene(evidence).why_closed(*WAY))
    return verdict.passed(expected, observed)


def read_only(evidence: Evidence) -> Verdict:
    """Whether nobody changes ratings, and all read them, at the waypoint."""
    calls = [
        Call(app="ratings", path="/ratings/0", seen=ANSWERED),
        Call(app="ratings", path="/ratings/0", seen=REFUSED, method="POST"),
        Call(app="ratings", path="/ratings/0", seen=REFUSED, method="DELETE"),
    ]
    return ambient.judge(evidence, calls)


def no_way_around(evidence: Evidence) -> Verdict:
    """Whether ratings is reached through its waypoint alone."""
    calls = [
        Call(app="ratings", path="/ratings/0", seen=ANSWERED),
        Call(app="ratings", path="/ratings/0", seen=CLOSED, at_pod=True),
    ]
    return _beside_stars(evidence, ambient.judge(evidence, calls))


def one_in_four(evidence: Evidence) -> Verdict:
    """Whether reviews v3 gets a quarter of the requests, and v1 the rest."""
    shares = {"v1": 75, "v3": 25}
    frame = evidence.send(flows.REVIEWS, count=COUNT)
    counts = {str(k): int(v) for k, v in frame["version"].value_counts().items() if k}
    judged = judge.split(counts, shares)
    failed = int((frame["status"] != 200).sum())
    parts = ", ".join(f"{p.name} {p.count} ({p.low}–{p.high} expected)" for p in judged.parts)
    expected, observed = "v1 75 %, v3 25 %, no failures", f"of {COUNT} requests: {parts}; {failed} failed"
    if judged.agrees and not failed:
        return verdict.passed(expected, observed)
    return verdict.because(expected, observed, waypoints.routes(evidence, "reviews", shares))


def _from(principal: str) -> str:
    return f'[{{from: [{{source: {{principals: ["{principal}"]}}}}]}}]'


CHANGES = "[{to: [{operation: {methods: [POST, PUT, PATCH, DELETE]}}]}]"
READS = "[{to: [{operation: {methods: [GET]}}]}]"


def targeted(name: str, rules: str, *, kind: str = "Service", target: str = "ratings", action: str = "ALLOW") -> str:
    """An AuthorizationPolicy for a Service or a Gateway."""
    group = "gateway.networking.k8s.io" if kind == "Gateway" else '""'
    return (
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n"
        f"metadata: {{name: {name}, namespace: default}}\n"
        f"spec:\n  targetRefs:\n  - {{group: {group}, kind: {kind}, name: {target}}}\n"
        f"  action: {action}\n  rules: {rules}\n"
    )


EXERCISES = (
    Exercise(
        id="22-1",
        task="Let reviews call ratings, and nobody else. There is no waypoint.",
        done_when="reviews gets its stars, and curl gets no answer from ratings",
        check=only_reviews,
        hints=(
            "ztunnel decides, so the policy may ask for what a connection has: identities, addresses, ports.",
            "An ALLOW policy for the pods of ratings refuses every connection that none of its rules allows.",
            'selector app: ratings; from, source: principals: ["cluster.local/ns/default/sa/bookinfo-reviews"]',
        ),
        solution=policy("ratings-callers", _from(REVIEWS), app="ratings"),
        right=(
            Right(
                how="by its service account",
                yaml=policy(
                    "ratings-callers", "[{from: [{source: {serviceAccounts: [bookinfo-reviews]}}]}]", app="ratings"
                ),
            ),
            Right(
                how="all others are denied",
                yaml=policy(
                    "ratings-strangers",
                    f'[{{from: [{{source: {{notPrincipals: ["{REVIEWS}"]}}}}]}}]',
                    app="ratings",
                    action="DENY",
                ),
            ),
        ),
        wrong=(
            Wrong(
                why="with a method",
                yaml=policy("ratings-viewer", f"{_from(REVIEWS)[:-2]}, {READS[2:]}", app="ratings"),
                says="ztunnel does not support HTTP attributes (found: methods)",
            ),
            Wrong(
                why="a misspelt account",
                yaml=policy("ratings-callers", _from(REVIEWS.replace("bookinfo-", "")), app="ratings"),
                says="asks for the principal cluster.local/ns/default/sa/reviews, and here it is",
            ),
            Wrong(
                why="the whole namespace",
                yaml=policy("ratings-callers", "[{from: [{source: {namespaces: [default]}}]}]", app="ratings"),
                says="AuthorizationPolicy default/ratings-callers allows it at ztunnel",
            ),
            Wrong(
                why="a selector that fits nobody",
                yaml=policy("ratings-callers", _from(REVIEWS), app="rating"),
                says="the selector of AuthorizationPolicy default/ratings-callers asks for app=rating",
            ),
            Wrong(
                why="for every pod of the namespace",
                yaml=policy("ratings-callers", _from(REVIEWS)),
                says="has no selector, so it is for every pod, and for productpage too",
            ),
            Wrong(
                why="another port",
                yaml=policy(
                    "ratings-callers",
                    f"{_from(REVIEWS)[:-2]}, to: [{{operation: {{ports: ['80']}}}}]}}]",
                    app="ratings",
                ),
                says="asks for the port 80, and here it is 9080",
            ),
            Wrong(
                why="a dry run",
                yaml=policy("ratings-callers", _from(REVIEWS), app="ratings", more=DRY),
                says="is a dry run: it only notes what it would do",
            ),
            Wrong(
                why="targetRefs without a waypoint",
                yaml=targeted("ratings-callers", _from(REVIEWS)),
                says="Service ratings has no waypoint",
            ),
        ),
    ),
    Exercise(
        id="22-2",
        task="Ratings has a waypoint. Let nobody change ratings, and everybody read them.",
        done_when="GET of /ratings/0 is 200, and POST and DELETE are 403",
        check=read_only,
        given=("waypoint.yaml", "ratings-behind.yaml"),
        hints=(
            "Methods are something of requests. Which proxy on the path reads requests?",
            "A policy chooses a waypoint by targetRefs, which name the Gateway or one Service behind it.",
            'targetRefs: [{group: "", kind: Service, name: ratings}], action: DENY, methods: [POST, DELETE]',
        ),
        solution=targeted("ratings-read-only", CHANGES, action="DENY"),
        right=(
            Right(how="reading alone is allowed", yaml=targeted("ratings-viewer", READS)),
            Right(
                how="for everything behind the waypoint",
                yaml=targeted("read-only", CHANGES, kind="Gateway", target="waypoint", action="DENY"),
            ),
        ),
        wrong=(
            Wrong(
                why="a selector",
                yaml=policy("ratings-read-only", READS, app="ratings"),
                says="ztunnel does not support HTTP attributes (found: methods)",
            ),
            Wrong(
                why="another Service",
                yaml=targeted("ratings-read-only", CHANGES, target="reviews", action="DENY"),
                says="names Service reviews, and this is Service ratings",
            ),
            Wrong(
                why="a Gateway that does not exist",
                yaml=targeted("read-only", CHANGES, kind="Gateway", target="waypiont", action="DENY"),
                says="names Gateway waypiont, which does not exist; did you mean waypoint?",
            ),
            Wrong(
                why="one method is missing",
                yaml=targeted("no-post", "[{to: [{operation: {methods: [POST]}}]}]", action="DENY"),
                says="asks for the method POST, and here it is DELETE",
            ),
            Wrong(
                why="allowed instead of denied",
                yaml=targeted("ratings-read-only", CHANGES),
                says="no ALLOW rule of the waypoint applies",
            ),
            Wrong(
                why="everything",
                yaml=targeted("closed", "[{}]", action="DENY"),
                says="rule 1 of AuthorizationPolicy default/closed denies it at the waypoint",
            ),
        ),
    ),
    Exercise(
        id="22-3",
        task="Let ratings be called through its waypoint alone.",
        done_when="curl gets 200 from the Service ratings and no answer from the pod's address, and reviews its stars",
        check=no_way_around,
        given=("waypoint.yaml", "ratings-behind.yaml"),
        hints=(
            "Who calls the pod when the call came through the waypoint?",
            "The waypoint has a service account of its own, named like its Gateway, and so an identity.",
            'selector app: ratings, and principals: ["cluster.local/ns/default/sa/waypoint"]',
        ),
        solution=policy("through-the-waypoint", _from(WAYPOINT), app="ratings"),
        right=(
            Right(
                how="by its service account",
                yaml=policy(
                    "through-the-waypoint", "[{from: [{source: {serviceAccounts: [waypoint]}}]}]", app="ratings"
                ),
            ),
            Right(
                how="all others are denied",
                yaml=policy(
                    "not-around",
                    f'[{{from: [{{source: {{notPrincipals: ["{WAYPOINT}"]}}}}]}}]',
                    app="ratings",
                    action="DENY",
                ),
            ),
        ),
        wrong=(
            Wrong(
                why="the client instead of the waypoint",
                yaml=policy("through-the-waypoint", _from(REVIEWS), app="ratings"),
                says="closes the connection of cluster.local/ns/default/sa/waypoint, the waypoint's identity",
            ),
            Wrong(
                why="at the waypoint",
                yaml=targeted("through-the-waypoint", _from(WAYPOINT)),
                says="no ALLOW rule of the waypoint applies",
            ),
            Wrong(
                why="the whole namespace",
                yaml=policy("through-the-waypoint", "[{from: [{source: {namespaces: [default]}}]}]", app="ratings"),
                says="AuthorizationPolicy default/through-the-waypoint allows it at ztunnel",
            ),
            Wrong(
                why="for every pod of the namespace",
                yaml=policy("through-the-waypoint", _from(WAYPOINT)),
                says="has no selector, so it is for every pod, and for productpage too",
            ),
            Wrong(
                why="nobody at all",
                yaml=policy("closed", "[]", app="ratings"),
                says="rule 1 of AuthorizationPolicy default/closed applies to nothing",
            ),
        ),
    ),
    Exercise(
        id="22-4",
        task="The waypoint is in front of reviews. Send one in four requests to v3, all others to v1.",
        done_when="reviews answers with v3 in a quarter of 400 requests",
        check=one_in_four,
        given=("waypoint.yaml", "reviews-behind.yaml", "reviews-versions.yaml"),
        hints=(
            "A waypoint takes routes for the Services behind it: an HTTPRoute whose parent is the Service.",
            "Each version has a Service of its own, so backendRefs can name it with a weight.",
            'parentRefs: [{group: "", kind: Service, name: reviews}], weights 75 for reviews-v1 and 25 for reviews-v3',
        ),
        solution=http_route("reviews", backends(v1=75, v3=25)),
        right=(Right(how="smaller numbers", yaml=http_route("reviews", backends(v1=3, v3=1))),),
        wrong=(
            Wrong(
                why="half and half",
                yaml=http_route("reviews", backends(v1=50, v3=50)),
                says="rule 1 of HTTPRoute default/reviews sends 50 % to reviews-v1, 50 % to reviews-v3",
            ),
            Wrong(
                why="another version",
                yaml=http_route("reviews", backends(v1=75, v2=25)),
                says="rule 1 of HTTPRoute default/reviews sends 75 % to reviews-v1, 25 % to reviews-v2",
            ),
            Wrong(
                why="another parent",
                yaml=http_route("ratings", backends(v1=75, v3=25)),
                says="parentRefs names Service ratings",
            ),
            Wrong(
                why="a path that nobody asks for",
                yaml=http_route("reviews", {"matches": [{"path": {"value": "/review/"}}], **backends(v1=75, v3=25)}),
                says="the path /reviews/0 is not below /review",
            ),
            Wrong(
                why="a Service that is not there",
                yaml=http_route("reviews", backends(v1=75, v4=25)),
                says="sends to the host reviews-v4, and no Service or ServiceEntry has that name",
            ),
        ),
    ),
)
