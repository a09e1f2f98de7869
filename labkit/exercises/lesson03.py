"""Lesson 03, deploy Bookinfo."""

from labkit.exercises import verdict
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Wrong
from labkit.exercises.verdict import Verdict
from labkit.kube import resources
from labkit.kube.resources import Object

PROXY = "istio-proxy"
SWITCH = "sidecar.istio.io/inject"
APPS = ("productpage", "details", "reviews", "ratings")


def inside(evidence: Evidence) -> Verdict:
    """Whether the pod of Deployment client is ready with a sidecar."""
    return _judged(evidence, "client", "a ready pod of Deployment client with a sidecar", wants_proxy=True)


def outside(evidence: Evidence) -> Verdict:
    """Whether the pod of Deployment outsider is ready without one, in a namespace that still injects."""
    return _judged(evidence, "outsider", "a ready pod of Deployment outsider without a sidecar", wants_proxy=False)


def _judged(evidence: Evidence, name: str, expected: str, *, wants_proxy: bool) -> Verdict:
    there = evidence.resource(resources.DEPLOYMENTS, name)
    if there is None:
        return verdict.not_yet(expected, f"there is no Deployment {name}", cause="it is not applied yet")
    pods = [pod for pod in evidence.resources(resources.PODS) if _is_of(pod, name)]
    if not pods or not all(_is_ready(pod) for pod in pods):
        return verdict.not_yet(
            expected,
            f"Deployment {name} has no pod that is ready",
            cause="its image or its command is wrong, or it has only just begun",
            next_step='lab.kubectl("get pods")',
        )
    with_proxy = [pod for pod in pods if _has_proxy(pod)]
    if wants_proxy and not with_proxy:
        return verdict.not_yet(expected, "the pod is ready, 1/1", cause=_why_without(evidence, pods[0]))
    if not wants_proxy and with_proxy:
        return verdict.not_yet(expected, "the pod is ready, 2/2", cause=_why_with(there))
    if not wants_proxy and not _injects(evidence, pods[0]):
        return verdict.not_yet(
            expected,
            "the pod has no sidecar, and no other new pod will get one",
            cause="the label of the namespace is gone: say it in the pod's template instead",
        )
    return verdict.passed(expected, f"{resources.name_of(pods[0])} is {'2/2' if wants_proxy else '1/1'}")


def _why_without(evidence: Evidence, pod: Object) -> str:
    if resources.labels_of(pod).get(SWITCH) == "false":
        return f"its label {SWITCH} says false"
    if not _injects(evidence, pod):
        return "the namespace has no label istio-injection=enabled"
    return (
        'it is older than the label of the namespace; lab.kubectl("rollout restart deployment/client") makes a new one'
    )


def _why_with(deployment: Object) -> str:
    if SWITCH in resources.labels_of(deployment):
        return f"the label {SWITCH} is on the Deployment; injection looks at the pod, so at the template"
    template = deployment["spec"]["template"].get("metadata") or {}
    said = (template.get("labels") or {}).get(SWITCH)
    return (
        f"the pod's label says {said!r}" if said else f"nothing says no to it: the pod's template has no label {SWITCH}"
    )


def _is_of(pod: Object, deployment: str) -> bool:
    """By the name of its ReplicaSet; pods on their way out do not count."""
    owner = resources.owner_of(pod) or {}
    is_going = "deletionTimestamp" in pod["metadata"]
    return not is_going and str(owner.get("name", "")).rpartition("-")[0] == deployment


def _is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _has_proxy(pod: Object) -> bool:
    containers = [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]
    return any(c["name"] == PROXY for c in containers)


def _injects(evidence: Evidence, pod: Object) -> bool:
    place = evidence.resource(resources.NAMESPACES, resources.namespace_of(pod)) or {}
    return resources.labels_of(place).get("istio-injection") == "enabled"


def identities(evidence: Evidence) -> Verdict:
    """Whether the filed number is the number of service accounts that Bookinfo's pods use."""
    pods = [p for p in evidence.resources(resources.PODS) if resources.labels_of(p).get("app") in APPS]
    accounts = sorted({str(pod["spec"].get("serviceAccountName", "default")) for pod in pods})
    return verdict.number(
        evidence.answer("03-3"),
        len(accounts),
        what="different identities of Bookinfo's pods",
        seen=", ".join(accounts),
        causes={6: "the identity is the service account's, not the pod's", 1: "one account a service, not one for all"},
    )


def _client(name: str, *, template: str = "", on_deployment: str = "", command: str = "[sleep, infinity]") -> str:
    own = f"\n  labels: {{{on_deployment}}}" if on_deployment else ""
    more = f", {template}" if template else ""
    return f"""apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}{own}
spec:
  replicas: 1
  selector:
    matchLabels: {{app: {name}}}
  template:
    metadata:
      labels: {{app: {name}{more}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: curl
        image: docker.io/curlimages/curl:8.16.0
        command: {command}
"""


NO = f'{SWITCH}: "false"'

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
        wrong=(
            Wrong(why="switched off", yaml=_client("client", template=NO), says="says false"),
            Wrong(why="another name", yaml=_client("curl"), says="no Deployment client"),
            Wrong(why="it ends at once", yaml=_client("client", command='["false"]'), says="no pod that is ready"),
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
        wrong=(
            Wrong(why="nothing said", yaml=_client("outsider"), says="nothing says no"),
            Wrong(why="said of the Deployment", yaml=_client("outsider", on_deployment=NO), says="on the Deployment"),
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
        wrong=(Wrong(why="one a pod", answer=6, says="not the pod's"),),
    ),
)
