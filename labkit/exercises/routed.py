"""Exercises 06-4 to 09-4: what a VirtualService did in the lesson, by an HTTPRoute whose parent is a Service."""

from collections.abc import Mapping
from typing import Any, cast

from labkit.exercises import lesson06, lesson07, lesson08, lesson09, verdict
from labkit.exercises.diagnosis import httproutes
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Check, Exercise, Right, Wrong
from labkit.exercises.verdict import Verdict
from labkit.exercises.written import Rule, backends, http_route, split, virtual_service
from labkit.kube import manifests, resources
from labkit.kube.resources import Object, Resource

VERSIONS = "reviews-versions.yaml"


def by_route(service: str, check: Check, *, expected: str) -> Check:
    """The check, once an HTTPRoute speaks for the callers of a Service."""

    def judge(evidence: Evidence) -> Verdict:
        if causes := httproutes.unheard(evidence, service):
            has_one = httproutes.of_service(evidence, service)
            seen = (
                f"the HTTPRoute for Service {service} has no effect"
                if has_one
                else (f"no HTTPRoute has Service {service} as its parent")
            )
            return verdict.because(expected, seen, causes)
        return check(cast("Evidence", _Alone(evidence, service)))

    return judge


class _Alone:
    """Evidence without the VirtualServices of a host: while an HTTPRoute speaks for it, they have no say."""

    def __init__(self, evidence: Evidence, service: str) -> None:
        self._evidence, self._service = evidence, service

    def __getattr__(self, name: str) -> Any:
        return getattr(self._evidence, name)

    def resources(self, kind: Resource, namespace: str = "") -> list[Object]:
        return self._without(kind, self._evidence.resources(kind, namespace))

    def everywhere(self, kind: Resource) -> list[Object]:
        return self._without(kind, self._evidence.everywhere(kind))

    def _without(self, kind: Resource, listed: list[Object]) -> list[Object]:
        if kind != resources.VIRTUAL_SERVICES:
            return listed
        return [o for o in listed if not any(h.split(".")[0] == self._service for h in o["spec"].get("hosts") or [])]


def _header(name: str, value: str) -> Rule:
    return {"matches": [{"headers": [{"name": name, "value": value}]}]}


MARY = _header("end-user", "mary")
COPY: Mapping[str, object] = {"backendRef": {"name": "reviews-v2", "port": 9080}, "percent": 50}
"""The settings of a RequestMirror."""

HTTPBIN: Rule = {"backendRefs": [{"name": "httpbin", "port": 8000}]}
HALF: Rule = {"timeouts": {"request": "500ms"}}
SLOW: Rule = {"matches": [{"path": {"type": "PathPrefix", "value": "/delay"}}]}


def _copy(**changed: object) -> Rule:
    """A filter that copies half of the requests to v2, with other settings; None takes one away."""
    settings = {key: value for key, value in {**COPY, **changed}.items() if value is not None}
    return {"filters": [{"type": "RequestMirror", "requestMirror": settings}]}


def _reviews(*rules: Rule) -> str:
    return http_route("reviews", *rules)


def _at_gateway(route: str) -> str:
    """The route with the ingress gateway for a parent, as in lesson 04."""
    (obj,) = manifests.parse(route)
    return manifests.dump({**obj, "spec": {**obj["spec"], "parentRefs": [{"name": "bookinfo-gateway"}]}})


BY_HEADER = Exercise(
    id="06-4",
    task="With an HTTPRoute, give mary reviews v3 and everybody else v1.",
    done_when="by an HTTPRoute mary is answered by v3, and everybody else by v1",
    check=by_route(
        "reviews",
        lambda evidence: lesson06.seen(
            evidence,
            lesson06.Visitor(who="mary", user="mary", version="v3"),
            lesson06.Visitor(who="jason", user="jason", version="v1"),
            lesson06.Visitor(who="not signed in", version="v1"),
        ),
        expected="mary: v3, jason: v1, not signed in: v1",
    ),
    given=(VERSIONS,),
    hints=(
        "manifests/route-jason.yaml is nearly it.",
        "Two rules: one whose matches name the header end-user, and one without matches.",
        "In manifests/route-jason.yaml jason becomes mary, and the first backend becomes reviews-v3.",
    ),
    solution=_reviews({**MARY, **backends(v3=1)}, backends(v1=1)),
    right=(Right(how="the general rule first", yaml=_reviews(backends(v1=1), {**MARY, **backends(v3=1)})),),
    wrong=(
        Wrong(
            why="a VirtualService",
            yaml=virtual_service(
                "reviews", {"match": [{"headers": {"end-user": {"exact": "mary"}}}], **split(v3=None)}, split(v1=None)
            ),
            says="there is no HTTPRoute yet",
        ),
        Wrong(
            why="for the gateway",
            yaml=_at_gateway(_reviews({**MARY, **backends(v3=1)}, backends(v1=1))),
            says="parentRefs names Gateway bookinfo-gateway",
        ),
        Wrong(
            why="a port that the Service lacks",
            yaml=http_route("reviews", {**MARY, **backends(v3=1)}, backends(v1=1), port=9081),
            says="parentRefs names port 9081 of Service reviews, which has port 9080",
        ),
        Wrong(
            why="a misspelt header",
            yaml=_reviews({**_header("enduser", "mary"), **backends(v3=1)}, backends(v1=1)),
            says="it asks for the header enduser, which the request does not have; did you mean end-user?",
        ),
        Wrong(
            why="nobody else",
            yaml=_reviews({**MARY, **backends(v3=1)}),
            says="jason: no rule fits this request, so the answer is 404",
        ),
        Wrong(
            why="a Service that is not there",
            yaml=_reviews({**MARY, **backends(v4=1)}, backends(v1=1)),
            says="sends to the host reviews-v4, and no Service or ServiceEntry has that name",
        ),
    ),
)

BY_WEIGHT = Exercise(
    id="07-4",
    task="With an HTTPRoute, give one request in four to reviews v3, the others to v1.",
    done_when="by an HTTPRoute about 150 of 600 requests are answered by v3, and the others by v1",
    check=by_route(
        "reviews",
        lambda evidence: lesson07.split_of(evidence, "v1 75 %, v3 25 %", {"v1": 75, "v3": 25}),
        expected="v1 75 %, v3 25 %",
    ),
    given=(VERSIONS,),
    hints=(
        "manifests/route-90-10.yaml is nearly it.",
        "The weights stand in backendRefs, one for each Service.",
        "In manifests/route-90-10.yaml the second backend becomes reviews-v3, and the weights 75 and 25.",
    ),
    solution=_reviews(backends(v1=75, v3=25)),
    right=(Right(how="three to one", yaml=_reviews(backends(v1=3, v3=1))),),
    wrong=(
        Wrong(
            why="a VirtualService",
            yaml=virtual_service("reviews", split(v1=75, v3=25)),
            says="there is no HTTPRoute yet",
        ),
        Wrong(
            why="swapped", yaml=_reviews(backends(v1=25, v3=75)), says="sends 25 % to reviews-v1, 75 % to reviews-v3"
        ),
        Wrong(why="another version", yaml=_reviews(backends(v1=75, v2=25)), says="25 % to reviews-v2"),
        Wrong(
            why="a Service that is not there",
            yaml=_reviews(backends(v1=75, v4=25)),
            says="sends to the host reviews-v4, and no Service or ServiceEntry has that name",
        ),
        Wrong(
            why="for the gateway",
            yaml=_at_gateway(_reviews(backends(v1=75, v3=25))),
            says="parentRefs names Gateway bookinfo-gateway",
        ),
    ),
)

BY_MIRROR = Exercise(
    id="08-4",
    task="With an HTTPRoute, copy half of the requests for reviews to v2; v1 answers all of them.",
    done_when="by an HTTPRoute all of 200 requests are answered by v1, and about 100 are copied",
    check=by_route(
        "reviews",
        lambda evidence: lesson08.copied(
            evidence, lesson08.Callers(who="everybody", share=0.5, count=200), version="v2"
        ),
        expected="everybody: answered by v1, about 100 of 200 copied to v2",
    ),
    given=(VERSIONS,),
    hints=(
        "manifests/route-mirror.yaml is nearly it.",
        "percent stands beside backendRef in requestMirror.",
        "In manifests/route-mirror.yaml: requestMirror: {backendRef: {name: reviews-v2, port: 9080}, percent: 50}",
    ),
    solution=_reviews({**_copy(), **backends(v1=1)}),
    right=(
        Right(
            how="a fraction",
            yaml=_reviews({**_copy(percent=None, fraction={"numerator": 1, "denominator": 2}), **backends(v1=1)}),
        ),
    ),
    wrong=(
        Wrong(
            why="a VirtualService",
            yaml=virtual_service(
                "reviews",
                {**split(v1=None), "mirror": {"host": "reviews", "subset": "v2"}, "mirrorPercentage": {"value": 50}},
            ),
            says="there is no HTTPRoute yet",
        ),
        Wrong(
            why="all of them",
            yaml=_reviews({**_copy(percent=None), **backends(v1=1)}),
            says="copies 100 % of the requests",
        ),
        Wrong(
            why="a split", yaml=_reviews(backends(v1=50, v2=50)), says="sends 50 % to reviews-v1, 50 % to reviews-v2"
        ),
        Wrong(
            why="another version",
            yaml=_reviews({**_copy(backendRef={"name": "reviews-v3", "port": 9080}), **backends(v1=1)}),
            says="goes to reviews-v3: its pods are v3",
        ),
        Wrong(
            why="for the gateway",
            yaml=_at_gateway(_reviews({**_copy(), **backends(v1=1)})),
            says="parentRefs names Gateway bookinfo-gateway",
        ),
    ),
)

BY_TIMEOUT = Exercise(
    id="09-4",
    task="With an HTTPRoute, let callers of httpbin wait half a second for paths below /delay, and without limit else.",
    done_when="by an HTTPRoute /delay/2 is answered with 504 after half a second, and /get as before",
    check=by_route(
        "httpbin", lesson09.gives_up_on_delays, expected=f"{lesson09.HTTPBIN}/delay/2: 504 after 0.5 s; /get: 200"
    ),
    hints=(
        "manifests/route-timeout.yaml has one rule for every path.",
        "Two rules: the first has matches with a path of type PathPrefix, and the timeouts; the second has neither.",
        "matches: [{path: {type: PathPrefix, value: /delay}}] beside timeouts: {request: 500ms}",
    ),
    solution=http_route("httpbin", {**SLOW, **HALF, **HTTPBIN}, HTTPBIN, port=8000),
    right=(
        Right(
            how="the general rule first", yaml=http_route("httpbin", HTTPBIN, {**SLOW, **HALF, **HTTPBIN}, port=8000)
        ),
    ),
    wrong=(
        Wrong(
            why="a VirtualService",
            yaml=virtual_service("httpbin", {"timeout": "0.5s", "route": [{"destination": {"host": "httpbin"}}]}),
            says="there is no HTTPRoute yet",
        ),
        Wrong(
            why="for every path",
            yaml=http_route("httpbin", {**HALF, **HTTPBIN}, port=8000),
            says="limits /get to 0.5 s too",
        ),
        Wrong(
            why="no rule for the rest",
            yaml=http_route("httpbin", {**SLOW, **HALF, **HTTPBIN}, port=8000),
            says="/get: no rule fits this request, so the answer is 404",
        ),
        Wrong(
            why="too patient",
            yaml=http_route("httpbin", {**SLOW, "timeouts": {"request": "5s"}, **HTTPBIN}, HTTPBIN, port=8000),
            says="is 5 s, and the answer comes after 2 s",
        ),
        Wrong(
            why="another path",
            yaml=http_route(
                "httpbin",
                {"matches": [{"path": {"type": "Exact", "value": "/delay"}}], **HALF, **HTTPBIN},
                HTTPBIN,
                port=8000,
            ),
            says="the path /delay/2 is not /delay",
        ),
        Wrong(
            why="a Service that is not there",
            yaml=http_route(
                "httpbin", {**SLOW, **HALF, "backendRefs": [{"name": "htpbin", "port": 8000}]}, HTTPBIN, port=8000
            ),
            says="sends to the host htpbin, and no Service or ServiceEntry has that name",
        ),
    ),
)

EXERCISES = (BY_HEADER, BY_WEIGHT, BY_MIRROR, BY_TIMEOUT)
