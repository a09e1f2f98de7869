"""Lesson 02, install Istio."""

from labkit.exercises import verdict
from labkit.exercises.diagnosis import objects, rollouts
from labkit.exercises.evidence import GATEWAY, Evidence
from labkit.exercises.exercise import Exercise, Right, Wrong
from labkit.exercises.verdict import Verdict
from labkit.kube import resources
from labkit.kube.resources import Object

SYSTEM = "istio-system"
ROOM = "shop"


def identity(evidence: Evidence) -> Verdict:
    """Whether the filed name is that of the gateway's service account."""
    expected = "the identity in the certificate of the ingress gateway"
    gateway = evidence.resource(resources.DEPLOYMENTS, GATEWAY, SYSTEM)
    if gateway is None:
        return verdict.not_yet(
            expected,
            f"there is no Deployment {GATEWAY} in {SYSTEM}",
            cause="Istio is not installed",
            next_step="lab.install_istio()",
        )
    account = gateway["spec"]["template"]["spec"].get("serviceAccountName", "default")
    right = f"spiffe://cluster.local/ns/{SYSTEM}/sa/{account}"
    answer = evidence.answer("02-1")
    if answer is None:
        return verdict.not_yet(expected, "nothing is filed", cause='lab.answer("02-1", "spiffe://…") files it')
    text = str(answer).strip().strip("'\"`").removeprefix("URI:").rstrip("/")
    if text == right:
        return verdict.passed(expected, right)
    return verdict.not_yet(expected, f"{answer!r} is filed", cause=_other_identity(text, account))


def _other_identity(answer: str, account: str) -> str:
    if not answer.startswith("spiffe://"):
        return "an identity is written as a whole: spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT"
    domain, _, rest = answer.removeprefix("spiffe://").partition("/")
    parts = rest.split("/")
    if len(parts) != 4 or parts[0] != "ns" or parts[2] != "sa":
        return "an identity has the parts spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT, and this one has others"
    if domain != "cluster.local":
        return f"its domain is {domain}; the certificate has the trust domain of the mesh, cluster.local"
    if parts[1] != SYSTEM:
        return f"its namespace is {parts[1]}; the gateway runs in {SYSTEM}"
    if parts[3].lower() == account.lower():
        return f"{parts[3]} is the right service account but for its letters: capitals count"
    return f"{parts[3]} is not the service account of the gateway: its pod names another one as serviceAccountName"


def room(evidence: Evidence) -> Verdict:
    """Whether namespace shop is labelled for injection."""
    expected = f"namespace {ROOM} with a label that makes new pods get a sidecar"
    namespace = evidence.resource(resources.NAMESPACES, ROOM)
    if namespace is None:
        others = [resources.name_of(n) for n in evidence.resources(resources.NAMESPACES)]
        close = objects.nearest(ROOM, others)
        cause = f"there is a namespace {close}; the exercise wants {ROOM}" if close else "it is not created so far"
        return verdict.not_yet(expected, f"there is no namespace {ROOM}", cause=cause)
    revision = resources.labels_of(namespace).get(rollouts.REVISION)
    revisions = _revisions(evidence)
    if rollouts.injects(namespace) and revision and revisions and revision not in revisions:
        return verdict.not_yet(
            expected,
            f"it has the label {rollouts.REVISION}={revision}",
            cause=f"no control plane has the revision {revision}; there is {', '.join(sorted(revisions))}",
            next_step='lab.kubectl("get mutatingwebhookconfigurations")',
        )
    if rollouts.injects(namespace):
        return verdict.passed(expected, f"new pods in {ROOM} get a sidecar")
    labels, annotations = resources.labels_of(namespace), resources.annotations_of(namespace)
    value = labels.get(rollouts.INJECTION)
    if value is not None:
        return verdict.not_yet(
            expected,
            f"it has the label {rollouts.INJECTION}={value}",
            cause=f"the value has to be enabled: {value} switches nothing on, and nobody warns",
        )
    words = (rollouts.INJECTION, rollouts.REVISION)
    near = [
        name for name in labels if "inject" in name or name.startswith("istio.io/rev") or objects.nearest(name, words)
    ]
    if rollouts.INJECTION in annotations:
        cause = f"{rollouts.INJECTION} is an annotation of the namespace; Istio looks at labels"
    elif "sidecar.istio.io/inject" in labels:
        cause = f"sidecar.istio.io/inject is a label for pods; a namespace takes {rollouts.INJECTION}"
    elif near:
        own = rollouts.REVISION if near[0].startswith("istio.io/") else rollouts.INJECTION
        cause = f"Istio does not know the label {near[0]}; the name is {own}"
    elif "istio.io/dataplane-mode" in labels:
        cause = (
            f"istio.io/dataplane-mode is ambient mode's label, which adds no sidecar; the name is {rollouts.INJECTION}"
        )
    else:
        cause = f"Istio looks for the label {rollouts.INJECTION}, and the namespace has none of that name"
    observed = f"it has the label {near[0]}={labels[near[0]]}" if near else "it has no label for injection"
    return verdict.not_yet(expected, observed, cause=cause)


def _revisions(evidence: Evidence) -> set[str]:
    """The revisions that injection knows, by the namespaces its webhooks select."""
    return {
        str(value)
        for configuration in evidence.everywhere(resources.MUTATING_WEBHOOKS)
        for webhook in configuration.get("webhooks") or []
        for rule in (webhook.get("namespaceSelector") or {}).get("matchExpressions") or []
        if rule.get("key") == rollouts.REVISION and rule.get("operator") == "In"
        for value in rule.get("values") or []
    }


def envoys(evidence: Evidence) -> Verdict:
    """Whether the filed number is the number of pods with an Envoy."""
    pods = [pod for pod in evidence.everywhere(resources.PODS) if not _is_ending(pod)]
    meshed = sorted(resources.name_of(pod) for pod in pods if rollouts.has_proxy(pod))
    control = [pod for pod in pods if resources.name_of(pod).startswith("istiod")]
    return verdict.number(
        evidence.answer("02-3"),
        len(meshed),
        what="pods with a container istio-proxy",
        shows=", ".join(meshed),
        causes={
            0: "the ingress gateway is an Envoy too",
            **{
                len(meshed) + n: "istiod is the control plane: it steers Envoys and is none"
                for n in range(1, len(control) + 1)
            },
        },
    )


def _is_ending(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _namespace(labels: str, name: str = ROOM) -> str:
    return f"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  labels: {labels}\n"


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
        right=(
            Right(
                how="as a certificate shows it",
                answer=" URI:spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account\n",
            ),
        ),
        wrong=(
            Wrong(
                why="the pod's name",
                answer="spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway",
                says="istio-ingressgateway is not the service account of the gateway",
            ),
            Wrong(why="the account alone", answer="istio-ingressgateway-service-account", says="written as a whole"),
            Wrong(
                why="another namespace",
                answer="spiffe://cluster.local/ns/default/sa/istio-ingressgateway-service-account",
                says="its namespace is default",
            ),
            Wrong(
                why="another domain",
                answer="spiffe://istio.local/ns/istio-system/sa/istio-ingressgateway-service-account",
                says="its domain is istio.local",
            ),
            Wrong(
                why="parts left out",
                answer="spiffe://cluster.local/istio-system/istio-ingressgateway-service-account",
                says="this one has others",
            ),
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
        right=(Right(how="by revision", yaml=_namespace("{istio.io/rev: default}")),),
        wrong=(
            Wrong(
                why="true for enabled", yaml=_namespace('{istio-injection: "true"}'), says="the value has to be enabled"
            ),
            Wrong(
                why="another label", yaml=_namespace("{istio-inject: enabled}"), says="not know the label istio-inject"
            ),
            Wrong(
                why="an annotation",
                yaml=_namespace("{}\n  annotations: {istio-injection: enabled}"),
                says="is an annotation of the namespace",
            ),
            Wrong(
                why="another name",
                yaml=_namespace("{istio-injection: enabled}", name="shops"),
                says="there is a namespace shops",
            ),
            Wrong(
                why="a revision that nobody has",
                yaml=_namespace("{istio.io/rev: canary}"),
                says="no control plane has the revision canary",
            ),
            Wrong(
                why="another word for revision",
                yaml=_namespace("{istio.io/revision: default}"),
                says="not know the label istio.io/revision; the name is istio.io/rev",
            ),
            Wrong(
                why="ambient mode",
                yaml=_namespace("{istio.io/dataplane-mode: ambient}"),
                says="ambient mode's label, which adds no sidecar",
            ),
            Wrong(
                why="the label of pods",
                yaml=_namespace('{sidecar.istio.io/inject: "true"}'),
                says="a label for pods",
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
        right=(Right(how="a word", answer="one"),),
        wrong=(
            Wrong(why="istiod counted", answer=2, says="istiod is the control plane"),
            Wrong(why="none counted", answer="0", says="the ingress gateway is an Envoy too"),
            Wrong(why="another number", answer=7, says="the cluster shows another number"),
            Wrong(why="a name", answer="istio-ingressgateway", says="is no number"),
        ),
    ),
)
