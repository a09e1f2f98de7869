"""Lesson 03, deploy Bookinfo."""

from labkit.exercises import verdict
from labkit.exercises.diagnosis import cause, objects, rollouts
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Right, Wrong
from labkit.exercises.verdict import Verdict
from labkit.kube import resources
from labkit.kube.resources import Object

SWITCH = rollouts.SWITCH
APPS = ("productpage", "details", "reviews", "ratings")


def inside(evidence: Evidence) -> Verdict:
    """Whether the pods of Deployment client are ready with a sidecar."""
    return _judged(evidence, "client", "a ready pod of Deployment client with a sidecar", wants_proxy=True)


def outside(evidence: Evidence) -> Verdict:
    """Whether the pods of Deployment outsider are ready without one, in a namespace that still injects."""
    return _judged(evidence, "outsider", "a ready pod of Deployment outsider without a sidecar", wants_proxy=False)


def _judged(evidence: Evidence, name: str, expected: str, *, wants_proxy: bool) -> Verdict:
    waited = evidence.until_rolled_out(name)
    after = f" (waited {waited:.0f} s for its rollout)" if waited >= 1 else ""
    deployment = evidence.resource(resources.DEPLOYMENTS, name)
    if deployment is None:
        told = rollouts.another_kind(evidence, name, evidence.namespace)
        every = evidence.everywhere(resources.DEPLOYMENTS)
        why = cause.shown(told) if told else rollouts.why_missing(name, evidence.namespace, every)
        return verdict.because(expected, f"there is no Deployment {name} in namespace {evidence.namespace}", [why])
    pods = rollouts.pods_of(deployment, evidence.resources(resources.PODS))
    if not pods or not all(rollouts.is_ready(pod) for pod in pods):
        why = rollouts.not_ready(deployment, pods)
        return verdict.because(expected, f"Deployment {name} has no pod that is ready{after}", [why])
    namespace = evidence.resource(resources.NAMESPACES, evidence.namespace)
    without = [pod for pod in pods if not rollouts.has_proxy(pod)]
    if wants_proxy and without:
        return verdict.not_yet(
            expected,
            f"pod {resources.name_of(without[0])} is ready, 1/1: no sidecar",
            cause=_why_without(without[0], namespace),
        )
    if not wants_proxy and len(without) < len(pods):
        return verdict.not_yet(expected, f"the pod is ready, 2/2: it has a sidecar{after}", cause=_why_with(deployment))
    if not wants_proxy and not rollouts.injects(namespace):
        return verdict.not_yet(
            expected,
            "the pod has no sidecar, and no other new pod of the namespace will get one",
            cause=f"namespace {evidence.namespace} has lost the label {rollouts.INJECTION}=enabled; the pod's template "
            "can say no for itself",
            next_step=f'lab.kubectl("label namespace {evidence.namespace} {rollouts.INJECTION}=enabled --overwrite")',
        )
    observed = f"{resources.name_of(pods[0])} is {'2/2' if wants_proxy else '1/1'}{after}"
    if other := _another_program(deployment):
        return verdict.not_yet(expected, observed, cause=other)
    return verdict.passed(expected, observed)


def _another_program(deployment: Object) -> str:
    """What the Deployment runs, where that is not the client of the task."""
    containers = deployment["spec"]["template"]["spec"]["containers"]
    images = [str(container.get("image", "")) for container in containers]
    if not any(image.rpartition("/")[2].partition(":")[0] == "curl" for image in images):
        return (
            f"the image of Deployment {resources.name_of(deployment)} is {', '.join(images)}, and a client needs curl"
        )
    if not any(container.get("command") or container.get("args") for container in containers):
        return "it has no `command`: the image's own program, curl, would end at once on a cluster with containers"
    return ""


def _why_without(pod: Object, namespace: Object | None) -> str:
    for where, words in (("label", resources.labels_of(pod)), ("annotation", resources.annotations_of(pod))):
        value = words.get(SWITCH)
        if value is not None and value != "true":
            return f"the pod has the {where} {SWITCH}={value}, which keeps the sidecar away"
    if (pod.get("spec") or {}).get("hostNetwork"):
        return "the pod has hostNetwork: true, and Istio injects no sidecar into the network of a node"
    if not rollouts.injects(namespace):
        return f"the namespace has no label {rollouts.INJECTION}=enabled"
    return (
        "the pod is older than the label of the namespace, and injection happens when a pod is created: "
        'lab.kubectl("rollout restart deployment/client") creates a new one'
    )


def _why_with(deployment: Object) -> str:
    if SWITCH in resources.labels_of(deployment) or SWITCH in resources.annotations_of(deployment):
        return f"{SWITCH} stands in the metadata of the Deployment; injection looks at the pod, so at spec.template"
    template = deployment["spec"]["template"].get("metadata") or {}
    labels, annotations = template.get("labels") or {}, template.get("annotations") or {}
    value = labels.get(SWITCH)
    if value is not None:
        return f"the pod's label {SWITCH} is {value!r}, which asks for a sidecar; 'false' keeps it away"
    near = [name for name in (*labels, *annotations) if "inject" in name or objects.nearest(name, [SWITCH])]
    if near:
        return f"the pod's template says {near[0]}, and Istio looks for the label {SWITCH}"
    return f"nothing keeps the sidecar away: the pod's template has no label {SWITCH}"


def identities(evidence: Evidence) -> Verdict:
    """Whether the filed number is the number of service accounts that Bookinfo's pods use."""
    pods = [p for p in evidence.resources(resources.PODS) if resources.labels_of(p).get("app") in APPS]
    accounts = sorted({str(pod["spec"].get("serviceAccountName", "default")) for pod in pods})
    if not pods:
        return verdict.not_yet(
            "the number of different identities of Bookinfo's pods",
            "Bookinfo has no pod",
            cause="it is not deployed, so there is nothing to count",
            next_step="lab.deploy_bookinfo()",
        )
    return verdict.number(
        evidence.answer("03-3"),
        len(accounts),
        what="different identities of Bookinfo's pods",
        shows=", ".join(accounts),
        causes={
            len(pods): "one for each pod: an identity belongs to a service account, and pods share those",
            1: "each service of Bookinfo has a service account of its own",
            3: "3 is the number of versions of reviews, which share one service account",
        },
    )


def _client(
    name: str,
    *,
    template: str = "",
    on_deployment: str = "",
    command: str = "[sleep, infinity]",
    image: str = "curlimages/curl:8.16.0",
    namespace: str = "",
    replicas: int = 1,
    annotation: str = "",
) -> str:
    own = f"\n  labels: {{{on_deployment}}}" if on_deployment else ""
    place = f"\n  namespace: {namespace}" if namespace else ""
    more = f", {template}" if template else ""
    annotated = f"\n      annotations: {{{annotation}}}" if annotation else ""
    return f"""apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}{place}{own}
spec:
  replicas: {replicas}
  selector:
    matchLabels: {{app: {name}}}
  template:
    metadata:
      labels: {{app: {name}{more}}}{annotated}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: curl
        image: docker.io/{image}
        command: {command}
"""


NO = f'{SWITCH}: "false"'
SHUT = "---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: default\n  labels: {istio-injection: disabled}\n---\n"

EXERCISES = (
    Exercise(
        id="03-1",
        task="Deploy a client, image docker.io/curlimages/curl:8.16.0, command sleep infinity, with a sidecar.",
        done_when="the pod of Deployment client is ready with a sidecar",
        check=inside,
        hints=(
            "A plain Deployment is all it takes: the namespace is labelled.",
            "manifests/hello.yaml has a Deployment client; leave its namespace out.",
            "command: [sleep, infinity] keeps it alive; labels app: client in both places.",
        ),
        solution=_client("client"),
        right=(
            Right(how="two pods", yaml=_client("client", replicas=2)),
            Right(how="asked for by the pod", yaml=_client("client", template=f'{SWITCH}: "true"')),
        ),
        wrong=(
            Wrong(
                why="a program that is not there",
                yaml=_client("client", command="[slep, infinity]"),
                says="cannot be started",
            ),
            Wrong(why="switched off", yaml=_client("client", template=NO), says=f"the label {SWITCH}=false"),
            Wrong(why="another name", yaml=_client("clients"), says="there is a Deployment clients"),
            Wrong(
                why="another image", yaml=_client("client", image="library/busybox:1.37"), says="a client needs curl"
            ),
            Wrong(why="it ends at once", yaml=_client("client", command='["false"]'), says="ends with exit code 1"),
            Wrong(
                why="no such image",
                yaml=_client("client", image="curlimages/crl:8.16.0"),
                says="the image docker.io/curlimages/crl:8.16.0",
            ),
            Wrong(
                why="in the network of the node",
                yaml=_client("client").replace("      containers:", "      hostNetwork: true\n      containers:"),
                says="the pod has hostNetwork: true",
            ),
            Wrong(
                why="another namespace",
                yaml=_client("client", namespace="istio-system"),
                says="Deployment client is in namespace istio-system",
            ),
        ),
    ),
    Exercise(
        id="03-2",
        task="Deploy outsider, the same but without a sidecar, in the same namespace.",
        done_when="the pod of Deployment outsider is ready and has no proxy, and the namespace still injects",
        check=outside,
        hints=(
            "A pod may say no for itself, by a label.",
            f"The label is {SWITCH}; it belongs to the pod, so into the template.",
            f"template: metadata: labels: {{app: outsider, {NO}}}",
        ),
        solution=_client("outsider", template=NO),
        right=(
            Right(how="two pods", yaml=_client("outsider", template=NO, replicas=2)),
            Right(how="an annotation", yaml=_client("outsider", annotation=NO)),
        ),
        wrong=(
            Wrong(why="nothing said", yaml=_client("outsider"), says="has no label sidecar.istio.io/inject"),
            Wrong(
                why="said of the Deployment",
                yaml=_client("outsider", on_deployment=NO),
                says="in the metadata of the Deployment",
            ),
            Wrong(
                why="another label",
                yaml=_client("outsider", template="istio-injection: disabled"),
                says="the pod's template says istio-injection",
            ),
            Wrong(
                why="the whole namespace",
                yaml=SHUT + _client("outsider"),
                says="namespace default has lost the label",
            ),
            Wrong(why="another name", yaml=_client("outsiders", template=NO), says="there is a Deployment outsiders"),
        ),
    ),
    Exercise(
        id="03-3",
        task="How many different identities do the six pods of Bookinfo carry?",
        done_when="the number you filed is what the cluster shows",
        check=identities,
        given=("bookinfo.yaml",),
        hints=(
            "An identity is made of a namespace and a service account.",
            'lab.proxy("reviews-v1").identity() shows one; ask others.',
            "The three versions of reviews share one; the others have one each.",
        ),
        answer=4,
        right=(Right(how="a word", answer="four"),),
        wrong=(
            Wrong(why="one a pod", answer=6, says="one for each pod"),
            Wrong(why="one for all", answer="one", says="a service account of its own"),
            Wrong(why="versions", answer=3, says="the number of versions of reviews"),
            Wrong(why="a name", answer="bookinfo-reviews", says="is no number"),
        ),
    ),
)
