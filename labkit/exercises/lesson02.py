"""Lesson 02, install Istio."""

from labkit.exercises import verdict
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Wrong
from labkit.exercises.verdict import Verdict
from labkit.kube import resources
from labkit.kube.resources import Object

SYSTEM = "istio-system"
GATEWAY = "istio-ingressgateway"
INJECTION = "istio-injection"
PROXY = "istio-proxy"


def identity(evidence: Evidence) -> Verdict:
    """Whether the filed name is that of the gateway's service account."""
    expected = "the identity in the certificate of the ingress gateway"
    there = evidence.resource(resources.DEPLOYMENTS, GATEWAY, SYSTEM)
    if there is None:
        return verdict.not_yet(
            expected,
            f"there is no Deployment {GATEWAY} in {SYSTEM}",
            cause="Istio is not installed",
            next_step="lab.install_istio()",
        )
    account = there["spec"]["template"]["spec"].get("serviceAccountName", "default")
    right = f"spiffe://cluster.local/ns/{SYSTEM}/sa/{account}"
    answer = evidence.answer("02-1")
    if answer is None:
        return verdict.not_yet(expected, "nothing is filed", cause='lab.answer("02-1", "spiffe://…") files it')
    if answer == right:
        return verdict.passed(expected, right)
    return verdict.not_yet(expected, f"{answer!r} is filed", cause=_identity_cause(str(answer), right, account))


def _identity_cause(answer: str, right: str, account: str) -> str:
    if not answer.startswith("spiffe://"):
        return "an identity is written as a whole: spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT"
    if "/sa/" in answer and answer.rpartition("/sa/")[2] != account:
        return "that is another service account: the pods of the gateway say which one they use"
    return "the domain or the namespace is another one; copy it from the certificate"


def room(evidence: Evidence) -> Verdict:
    """Whether namespace shop is labelled for injection."""
    expected = f"namespace shop with the label {INJECTION}=enabled"
    there = evidence.resource(resources.NAMESPACES, "shop")
    if there is None:
        return verdict.not_yet(expected, "there is no namespace shop", cause="it is not made yet")
    labels = resources.labels_of(there)
    value = labels.get(INJECTION)
    if value == "enabled":
        return verdict.passed(expected, "new pods in shop get a sidecar")
    if value is not None:
        return verdict.not_yet(
            expected, f"it says {INJECTION}={value}", cause="any other value than enabled is ignored, and nobody warns"
        )
    near = [name for name in labels if "inject" in name]
    found = f"it has the label {near[0]}" if near else "it has no such label"
    is_annotated = INJECTION in resources.annotations_of(there)
    cause = "it is an annotation; Istio looks at labels" if is_annotated else f"Istio looks for the name {INJECTION}"
    return verdict.not_yet(expected, found, cause=cause)


def envoys(evidence: Evidence) -> Verdict:
    """Whether the filed number is the number of pods with an Envoy."""
    found = [pod for place in ("", SYSTEM) for pod in evidence.resources(resources.PODS, place) if _has_proxy(pod)]
    names = ", ".join(sorted(resources.name_of(pod) for pod in found))
    return verdict.number(
        evidence.answer("02-3"),
        len(found),
        what="pods with a container istio-proxy",
        seen=names,
        causes={len(found) + 1: "istiod is the control plane: it steers Envoys and is none", 0: "the gateway is one"},
    )


def _has_proxy(pod: Object) -> bool:
    containers = [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]
    return any(c["name"] == PROXY for c in containers)


def _namespace(labels: str) -> str:
    return f"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  labels: {labels}\n"


EXERCISES = (
    Exercise(
        id="02-1",
        task="Find the identity of the ingress gateway and file it.",
        done_when="it is the name of the gateway's own service account, as in its certificate",
        check=identity,
        hints=(
            "Every proxy can be asked for its identity.",
            'lab.proxy("istio-ingressgateway").identity() shows it.',
            'lab.answer("02-1", lab.proxy("istio-ingressgateway").identity()) files it as it is.',
        ),
        answer="spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account",
        wrong=(
            Wrong(
                why="the pod's name",
                answer="spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway",
                says="another service account",
            ),
            Wrong(why="the account alone", answer="istio-ingressgateway-service-account", says="written as a whole"),
        ),
    ),
    Exercise(
        id="02-2",
        task="Make a namespace shop in which every new pod gets a sidecar.",
        done_when="the namespace carries the label of Istio's injection, with the right value",
        check=room,
        hints=(
            "It is one object of kind Namespace.",
            "What matters is a label in its metadata; its name begins with istio-.",
            "labels: {istio-injection: enabled}",
        ),
        solution=_namespace("{istio-injection: enabled}"),
        wrong=(
            Wrong(why="true for enabled", yaml=_namespace('{istio-injection: "true"}'), says="istio-injection=true"),
            Wrong(why="another name", yaml=_namespace("{istio-inject: enabled}"), says="the label istio-inject"),
            Wrong(
                why="an annotation",
                yaml=_namespace("{}\n  annotations: {istio-injection: enabled}"),
                says="an annotation",
            ),
        ),
    ),
    Exercise(
        id="02-3",
        task="How many Envoys belong to the mesh now?",
        done_when="the number you filed is what the cluster shows",
        check=envoys,
        hints=(
            "The data plane is every Envoy; there is no application yet.",
            'lab.pods("istio-system") has a column has_proxy.',
            "Only the ingress gateway.",
        ),
        answer=1,
        wrong=(Wrong(why="istiod counted", answer=2, says="istiod is the control plane"),),
    ),
)
