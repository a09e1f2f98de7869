"""Lesson 01, a cluster refresher."""

from labkit.exercises import verdict
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Wrong
from labkit.exercises.verdict import Verdict
from labkit.kube import resources
from labkit.kube.resources import Object

PLACE = "refresher"
SERVICE_NAME = "kubernetes.io/service-name"


def second_version(evidence: Evidence) -> Verdict:
    """Whether a ready pod of Deployment hello-v2 is behind Service hello."""
    expected = "a pod of Deployment hello-v2 among the endpoints of Service hello"
    there = evidence.resource(resources.DEPLOYMENTS, "hello-v2", PLACE)
    if there is None:
        return verdict.not_yet(
            expected,
            f"there is no Deployment hello-v2 in namespace {PLACE}",
            cause="it is not applied, or went into another namespace",
        )
    if not there.get("status", {}).get("availableReplicas"):
        images = ", ".join(c.get("image", "?") for c in there["spec"]["template"]["spec"]["containers"])
        return verdict.not_yet(
            expected,
            "Deployment hello-v2 has no pod that is available",
            cause=f"its image cannot be had, or it has only just begun ({images})",
            next_step=f'lab.kubectl("get pods -n {PLACE}")',
        )
    behind = sorted(name for name in _pods_behind(evidence, "hello") if name.startswith("hello-v2-"))
    if not behind:
        labels = there["spec"]["template"]["metadata"].get("labels") or {}
        return verdict.not_yet(
            expected,
            "its pods run, and Service hello does not find them",
            cause=f"the Service looks for app=hello, the pods have {_pairs(labels)}",
        )
    return verdict.passed(expected, f"behind hello: {', '.join(behind)}")


def mended_service(evidence: Evidence) -> Verdict:
    """Whether Service greeter leads where Service hello leads."""
    expected = "Service greeter leads to the pods of hello, at port 5000 of theirs"
    there = evidence.resource(resources.SERVICES, "greeter", PLACE)
    if there is None:
        return verdict.not_yet(
            expected,
            f"there is no Service greeter in namespace {PLACE}",
            cause="it is not applied yet",
            next_step='lab.apply("manifests/greeter.yaml")',
        )
    behind, wanted = _pods_behind(evidence, "greeter"), _pods_behind(evidence, "hello")
    if not behind or behind != wanted:
        return verdict.not_yet(
            expected,
            f"greeter leads to {len(behind)} pods, hello to {len(wanted)}",
            cause=f"its selector is {_pairs(there['spec'].get('selector') or {})}: which pods have these labels?",
            next_step=f'lab.kubectl("get pods -n {PLACE} --show-labels")',
        )
    ports = {port.get("port") for s in _slices(evidence, "greeter") for port in s.get("ports") or []}
    if ports != {5000}:
        return verdict.not_yet(
            expected,
            f"the pods are found, and asked at port {', '.join(str(p) for p in sorted(ports))}",
            cause="they listen at 5000; targetPort says where to ask them",
        )
    return verdict.passed(expected, f"{len(behind)} pods, at port 5000")


def share(evidence: Evidence) -> Verdict:
    """Whether the filed share is a quarter."""
    answer = evidence.answer("01-3")
    filed = answer * 100 if isinstance(answer, float) and 0 < answer < 1 else answer
    return verdict.number(
        filed,
        25,
        what="requests in a hundred that v2 gets",
        seen="one pod of four, so one request of four",
        causes={50: "that would be two versions; a Service only knows pods", 33: "v2 is one pod of four, not of three"},
    )


def _slices(evidence: Evidence, service: str) -> list[Object]:
    every = evidence.resources(resources.ENDPOINT_SLICES, PLACE)
    return [s for s in every if resources.labels_of(s).get(SERVICE_NAME) == service]


def _pods_behind(evidence: Evidence, service: str) -> set[str]:
    ready = [
        endpoint
        for s in _slices(evidence, service)
        for endpoint in s.get("endpoints") or []
        if (endpoint.get("conditions") or {}).get("ready", True)
    ]
    return {str((endpoint.get("targetRef") or {}).get("name", "")) for endpoint in ready}


def _pairs(labels: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in labels.items()) or "empty"


def _deployment(*, name: str = "hello-v2", app: str = "hello", image: str = "examples-helloworld-v2") -> str:
    return f"""apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {PLACE}}}
spec:
  replicas: 1
  selector:
    matchLabels: {{app: {app}, version: v2}}
  template:
    metadata:
      labels: {{app: {app}, version: v2}}
    spec:
      containers:
      - name: hello
        image: docker.io/istio/{image}:1.0
        ports:
        - containerPort: 5000
"""


def _greeter(*, selector: str = "{app: hello, version: v1}", target: int = 5000) -> str:
    return f"""apiVersion: v1
kind: Service
metadata: {{name: greeter, namespace: {PLACE}}}
spec:
  selector: {selector}
  ports:
  - {{name: http, port: 80, targetPort: {target}}}
"""


EXERCISES = (
    Exercise(
        id="01-1",
        task="Put version 2 of hello beside the first, behind the same Service.",
        done_when="a pod of Deployment hello-v2 is among the endpoints of Service hello",
        check=second_version,
        hints=(
            "manifests/hello.yaml holds a Deployment that is nearly right.",
            "Change the Deployment's name, the label version in both places, and the image.",
            "Keep app: hello in the labels of the pods: that is what the Service looks for.",
        ),
        solution=_deployment(),
        given=("hello.yaml",),
        wrong=(
            Wrong(why="another app label", yaml=_deployment(app="hello-v2"), says="the pods have app=hello-v2"),
            Wrong(why="an image that is not there", yaml=_deployment(image="helloworld"), says="image cannot be had"),
            Wrong(why="another name", yaml=_deployment(name="hello-two"), says="no Deployment hello-v2"),
        ),
    ),
    Exercise(
        id="01-2",
        task="Mend Service greeter, which should lead to the pods of hello.",
        done_when="greeter has the same endpoints as hello, on a port where they listen",
        check=mended_service,
        hints=(
            "There are two faults. Look at its EndpointSlices, then at its ports.",
            "Compare its selector with the labels that the pods have.",
            "version is v1, not 1; and the pods listen at 5000, which is what targetPort has to say.",
        ),
        solution=_greeter(),
        given=("hello.yaml", "greeter.yaml"),
        wrong=(
            Wrong(why="only the selector mended", yaml=_greeter(target=80), says="asked at port 80"),
            Wrong(why="only the port mended", yaml=_greeter(selector='{app: hello, version: "1"}'), says="selector"),
        ),
    ),
    Exercise(
        id="01-3",
        task="Three pods of v1 and one of v2 behind one Service: how many percent of the requests does v2 get?",
        done_when="the number you filed is right",
        check=share,
        hints=(
            "Without a mesh nobody looks at versions.",
            "Requests are spread over endpoints; how many of them are v2's?",
            "One endpoint of four.",
        ),
        answer=25,
        wrong=(
            Wrong(why="by versions", answer=50, says="a Service only knows pods"),
            Wrong(why="one to three", answer=33, says="one pod of four"),
        ),
    ),
)
