"""Lesson 01, a cluster refresher."""

from labkit.exercises import verdict
from labkit.exercises.diagnosis import objects, rollouts
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Right, Wrong
from labkit.exercises.verdict import Verdict
from labkit.kube import resources
from labkit.kube.resources import Object

PLACE = "refresher"
GIVEN = ("hello", "client")
"""The Deployments of the lesson itself."""
SERVICE_NAME = "kubernetes.io/service-name"
PODS = f'lab.kubectl("get pods -n {PLACE} --show-labels")'


def second_version(evidence: Evidence) -> Verdict:
    """Whether a ready pod of Deployment hello-v2 is behind Service hello."""
    expected = "a pod of Deployment hello-v2 among the endpoints of Service hello"
    waited = evidence.until_rolled_out("hello-v2", PLACE)
    deployment = evidence.resource(resources.DEPLOYMENTS, "hello-v2", PLACE)
    if deployment is None:
        why = rollouts.why_missing("hello-v2", PLACE, evidence.everywhere(resources.DEPLOYMENTS), given=GIVEN)
        told = rollouts.another_kind(evidence, "hello-v2", PLACE)
        return verdict.not_yet(
            expected,
            f"there is no Deployment hello-v2 in namespace {PLACE}",
            cause=told or why.sentence,
            next_step=why.next_step,
        )
    pods = rollouts.pods_of(deployment, evidence.resources(resources.PODS, PLACE))
    if not any(rollouts.is_ready(pod) for pod in pods):
        why = rollouts.not_ready(deployment, pods)
        return verdict.because(expected, f"Deployment hello-v2 has no pod that is ready{_after(waited)}", [why])
    behind = sorted(_pods_behind(evidence, "hello") & {resources.name_of(pod) for pod in pods})
    images = [str(c.get("image", "")) for c in deployment["spec"]["template"]["spec"].get("containers") or []]
    if behind and not any("v2" in image.rpartition("/")[2] for image in images):
        return verdict.not_yet(
            expected,
            f"behind hello: {', '.join(behind)}, whose image is {', '.join(images)}",
            cause=f"the image of Deployment hello-v2 is {', '.join(images)}, which is not version 2 of the program",
        )
    if behind:
        return verdict.passed(expected, f"behind hello: {', '.join(behind)}{_after(waited)}")
    return verdict.not_yet(
        expected,
        f"the pods of hello-v2 run, and Service hello does not find them{_after(waited)}",
        cause=_why_not_chosen(evidence, "hello", pods[0]),
        next_step=PODS,
    )


def mended_service(evidence: Evidence) -> Verdict:
    """Whether Service greeter leads where Service hello leads."""
    expected = "Service greeter leads to the pods of hello, at port 5000 of theirs"
    service = evidence.resource(resources.SERVICES, "greeter", PLACE)
    if service is None:
        elsewhere = [s for s in evidence.everywhere(resources.SERVICES) if resources.name_of(s) == "greeter"]
        place = resources.namespace_of(elsewhere[0]) if elsewhere else ""
        return verdict.not_yet(
            expected,
            f"there is no Service greeter in namespace {PLACE}",
            cause=f"Service greeter is in namespace {place}" if place else "it is not applied so far",
            next_step="" if place else 'lab.apply("manifests/greeter.yaml")',
        )
    behind, others = _pods_behind(evidence, "greeter"), _pods_behind(evidence, "hello")
    # Where 01-1 is done, pods of v2 are behind hello too; "the pods of hello" may mean them or not.
    pods = {name for name in others if not name.startswith("hello-v2-")}
    if not others:
        hello = evidence.resource(resources.DEPLOYMENTS, "hello", PLACE)
        return verdict.not_yet(
            expected,
            "no pod is behind Service hello, so there is nothing to lead to",
            cause="Deployment hello has no pod that is ready" if hello else "Deployment hello is gone",
            next_step='lab.apply("manifests/hello.yaml")',
        )
    if not behind or not pods <= behind <= others:
        return verdict.not_yet(
            expected,
            f"greeter leads to {_count(behind)}, hello to {_count(others)}",
            cause=_selects(service, evidence.resources(resources.PODS, PLACE)),
            next_step=PODS,
        )
    ports = [port for s in _slices(evidence, "greeter") for port in s.get("ports") or []]
    asked = sorted({f"{port.get('port')}/{port.get('protocol', 'TCP')}" for port in ports})
    if asked != ["5000/TCP"]:
        dead_ports = ", ".join(port.removesuffix("/TCP") for port in asked if port != "5000/TCP")
        return verdict.not_yet(
            expected,
            f"Service greeter has the pods of hello, and asks them at port {dead_ports or 'none'}",
            cause=_other_port(service, dead_ports),
        )
    return verdict.passed(expected, f"{_count(behind)}, at port 5000")


def share(evidence: Evidence) -> Verdict:
    """Whether the filed share is a quarter."""
    return verdict.number(
        evidence.answer("01-3"),
        25,
        what="requests in a hundred that v2 gets",
        shows="one pod of four, so one request of four",
        causes={
            50: "half would be by versions; a Service only knows pods, and there are four",
            33: "v2 is one pod of four, not of three",
            75: "75 % is what the three pods of v1 get together",
            20: "v2 is one pod of four, not of five",
            100: "v2 is one pod of four, and the others get requests too",
            1: "one pod of four is asked for in per cent: one in a hundred would be less",
            4: "4 is the number of pods; its share is asked for in per cent",
        },
        is_share=True,
        other="count the pods: each gets as many requests as any other",
    )


def _after(waited: float) -> str:
    return f" (waited {waited:.0f} s for its rollout)" if waited >= 1 else ""


def _count(pods: set[str]) -> str:
    return "1 pod" if len(pods) == 1 else f"{len(pods)} pods"


def _why_not_chosen(evidence: Evidence, name: str, pod: Object) -> str:
    service = evidence.resource(resources.SERVICES, name, PLACE)
    if service is None:
        return f"there is no Service {name} in namespace {PLACE}"
    selector, labels = objects.spec_of(service).get("selector") or {}, resources.labels_of(pod)
    missing = {key: value for key, value in selector.items() if labels.get(key) != value}
    return (
        f"the selector of Service {name} is {objects.pairs(selector)}, and the pods have "
        f"{objects.pairs({key: labels[key] for key in missing if key in labels})}"
    )


def _other_port(service: Object, asked: str) -> str:
    """Where a targetPort leads that is not where the pods listen."""
    targets = [port.get("targetPort") for port in objects.spec_of(service).get("ports") or []]
    named = [target for target in targets if isinstance(target, str)]
    if named and not asked:
        return f"targetPort of Service greeter is {named[0]}, and no container of the pods names a port {named[0]}"
    return f"the pods listen at 5000, and targetPort of Service greeter leads to {asked}"


def _selects(service: Object, pods: list[Object]) -> str:
    """What the selector asks for, and which of its labels no pod has."""
    selector = objects.spec_of(service).get("selector") or {}
    told = f"the selector of Service greeter is {objects.pairs(selector)}"
    if not selector:
        return "Service greeter has no selector, so it finds no pod"
    for key, value in selector.items():
        values = sorted({resources.labels_of(pod)[key] for pod in pods if key in resources.labels_of(pod)})
        if value not in values:
            has = f"{key}={' or '.join(values)}" if values else f"no label {key}"
            return f"{told}, and the pods have {has}"
    return f"{told}: it fits other pods than the selector of Service hello"


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


def _deployment(
    *,
    name: str = "hello-v2",
    app: str = "hello",
    image: str = "examples-helloworld-v2",
    namespace: str = PLACE,
    replicas: int = 1,
) -> str:
    return f"""apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  replicas: {replicas}
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


def _greeter(
    *, selector: str = "{app: hello, version: v1}", target: int | str = 5000, namespace: str = PLACE, port: int = 80
) -> str:
    return f"""apiVersion: v1
kind: Service
metadata: {{name: greeter, namespace: {namespace}}}
spec:
  selector: {selector}
  ports:
  - {{name: http, port: {port}, targetPort: {target}}}
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
        right=(Right(how="two pods", yaml=_deployment(replicas=2)),),
        wrong=(
            Wrong(
                why="another app label",
                yaml=_deployment(app="hello-v2"),
                says="the selector of Service hello is app=hello, and the pods have app=hello-v2",
            ),
            Wrong(
                why="an image that is not there",
                yaml=_deployment(image="helloworld"),
                says="the image docker.io/istio/helloworld:1.0 of pod hello-v2",
            ),
            Wrong(
                why="another kind",
                yaml=_deployment().replace("kind: Deployment", "kind: StatefulSet"),
                says="hello-v2 is a StatefulSet; the exercise wants a Deployment",
            ),
            Wrong(why="another name", yaml=_deployment(name="hello-two"), says="there is a Deployment hello-two"),
            Wrong(
                why="another namespace",
                yaml=_deployment(namespace="default"),
                says="Deployment hello-v2 is in namespace default",
            ),
            Wrong(why="no pods", yaml=_deployment(replicas=0), says="replicas: 0"),
            Wrong(
                why="the program of version 1",
                yaml=_deployment(image="examples-helloworld-v1"),
                says="which is not version 2 of the program",
            ),
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
        right=(
            Right(how="by one label", yaml=_greeter(selector="{app: hello}")),
            Right(how="another port of its own", yaml=_greeter(port=8080)),
        ),
        wrong=(
            Wrong(why="only the selector mended", yaml=_greeter(target=80), says="targetPort of Service greeter leads"),
            Wrong(
                why="only the port mended",
                yaml=_greeter(selector='{app: hello, version: "1"}'),
                says="and the pods have version=v1",
            ),
            Wrong(why="another label", yaml=_greeter(selector="{run: hello}"), says="and the pods have no label run"),
            Wrong(
                why="misspelt",
                yaml=_greeter(selector="{app: helo}"),
                says="the selector of Service greeter is app=helo",
            ),
        ),
    ),
    Exercise(
        id="01-3",
        task="Three pods of v1 and one of v2 behind one Service: what percentage of the requests does v2 get?",
        done_when="the number you filed is right",
        check=share,
        hints=(
            "Without a mesh nobody looks at versions.",
            "Requests are spread over endpoints; how many of them are v2's?",
            "One endpoint of four.",
        ),
        answer=25,
        right=(
            Right(how="with its sign", answer="25 %"),
            Right(how="as a fraction", answer="1/4"),
            Right(how="as a share", answer=0.25),
            Right(how="in words", answer="a quarter"),
        ),
        wrong=(
            Wrong(why="by versions", answer=50, says="a Service only knows pods"),
            Wrong(why="one to three", answer="33%", says="one pod of four"),
            Wrong(why="the others", answer="75 percent", says="what the three pods of v1 get"),
            Wrong(why="a name", answer="v2", says="is no number"),
        ),
    ),
)
