"""How the pods of a namespace take part in the mesh: with a sidecar each, or in ambient mode by the node's ztunnel."""

from collections.abc import Callable, Mapping

from labkit.base import errors, waiting
from labkit.clusters import capabilities
from labkit.install import injection, kinds, labels
from labkit.kube import client, marks, resources, status, times
from labkit.kube.resources import Object
from labkit.mesh.ambient import enrolment

SIDECARS, AMBIENT = "sidecars", "ambient"

INJECTION, REVISION = "istio-injection", "istio.io/rev"
LABELS: Mapping[str, Mapping[str, str | None]] = {
    SIDECARS: {INJECTION: "enabled", enrolment.MODE: None},
    AMBIENT: {INJECTION: None, enrolment.MODE: enrolment.AMBIENT},
}
"""What a namespace's labels say; None for none."""

INJECT = "sidecar.istio.io/inject"
"""The label of a pod that decides for itself."""

RESTARTED = "kubectl.kubernetes.io/restartedAt"
"""The annotation by which ``kubectl rollout restart`` makes pods anew."""

TIMEOUT = 120.0
"""Seconds; a sandbox takes two, a cluster that pulls images a minute."""

INJECTION_TIMEOUT = 5.0
"""Seconds until the API server asks the webhook for a namespace whose label is new."""

OnStep = Callable[[str], None]


def words(mode: str) -> str:
    """The labels of a mode as ``kubectl label`` takes them."""
    return " ".join(f"{name}={value}" for name, value in LABELS[mode].items() if value)


def require(mode: str) -> None:
    """SetupError unless it is a mode."""
    if mode not in LABELS:
        raise errors.SetupError(f"There is no way {mode!r} to be in a mesh.", next_step='lab.dataplane("ambient")')


def label(api: client.Client, namespace: str, mode: str) -> None:
    """Label the namespace, and make it if it is not there. A revision's label counts as injection."""
    try:
        live = api.find(resources.NAMESPACES, namespace)
    except status.StatusError as e:
        if e.code != 403:
            raise
        return  # Who may not look at the labels has an owner who set them.
    if live is None:
        kinds.apply_all(api, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}])
    has = resources.labels_of(live or {})
    if mode == AMBIENT and REVISION in has:
        raise errors.SetupError(
            f"Namespace {namespace} has the label {REVISION}={has[REVISION]}, so its pods get sidecars.",
            next_step=f"kubectl label namespace {namespace} {REVISION}-",
        )
    changes = {name: value for name, value in LABELS[mode].items() if has.get(name) != value}
    if REVISION in has:
        changes.pop(INJECTION, None)
    if not changes:
        return
    try:
        labels.put(api, live or api.get(resources.NAMESPACES, namespace), changes)
    except status.StatusError as e:
        if e.code != 403:
            raise
        asked = " ".join(f"{name}={value}" if value else f"{name}-" for name, value in changes.items())
        raise errors.SetupError(
            f"Namespace {namespace} needs other labels for {mode}, and you may not label it.",
            next_step=f"ask its owner for this: kubectl label namespace {namespace} {asked}",
        ) from e


def ensure(api: client.Client, namespace: str, mode: str, *, on_step: OnStep = lambda _: None) -> list[str]:
    """Label the namespace and make pods anew that have a sidecar and should not, or the other way; their Deployments.

    Pods that choose for themselves, and on a cluster of somebody else's Deployments that the kit did not make, stay.
    """
    label(api, namespace, mode)
    unfit = _unfit(api, namespace, mode)
    if unfit and mode == SIDECARS:
        _until_injected(api, namespace, unfit[0])
    restarted = [resources.name_of(obj) for obj in unfit]
    if restarted:
        on_step(f"pods {'with' if mode == SIDECARS else 'without'} a sidecar: {', '.join(restarted)}")
    for name in restarted:
        stamp = {RESTARTED: times.now()}
        body = {"spec": {"template": {"metadata": {"annotations": stamp}}}}
        api.patch(resources.DEPLOYMENTS, name, namespace, body)
    kinds.until_rolled_out(api, restarted, namespace, timeout=TIMEOUT)
    if mode == AMBIENT:
        until_redirected(api, namespace)
    return restarted


def _until_injected(api: client.Client, namespace: str, deployment: Object) -> None:
    """NotReadyError where pods that are made anew would have no sidecar either: nothing is restarted for that."""
    waiting.until(
        lambda: not injection.trial(api, deployment, namespace),
        what=f"Istio's injection in namespace {namespace}",
        timeout=INJECTION_TIMEOUT,
        next_step=injection.NEXT.format(namespace=namespace),
        every=0.2,
        show=lambda _: injection.trial(api, deployment, namespace) or "it works now",
    )


def _unfit(api: client.Client, namespace: str, mode: str) -> list[Object]:
    owned = capabilities.OWNED in capabilities.ask(api)
    pods = api.list(resources.PODS, namespace)
    return [
        deployment
        for deployment in api.list(resources.DEPLOYMENTS, namespace)
        if (owned or marks.is_ours(deployment)) and _has_unfit(deployment, pods, mode)
    ]


def _has_unfit(deployment: Object, pods: list[Object], mode: str) -> bool:
    selector = (deployment["spec"].get("selector") or {}).get("matchLabels") or {}
    chosen = [pod for pod in pods if selector.items() <= resources.labels_of(pod).items() and not _goes(pod)]
    return any(injection.has_sidecar(pod) != (mode == SIDECARS) and not _chooses(pod) for pod in chosen)


def _goes(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _chooses(pod: Object) -> bool:
    """Its own label decides, or its annotation, or it is a gateway whose whole pod is a proxy."""
    return INJECT in resources.labels_of(pod) or INJECT in resources.annotations_of(pod) or _is_gateway(pod)


def _is_gateway(pod: Object) -> bool:
    return "gateway.networking.k8s.io/gateway-name" in resources.labels_of(pod)


def until_redirected(api: client.Client, namespace: str) -> None:
    """Until istio-cni says of every pod that should be in ambient that it is."""

    def missing() -> list[str]:
        place = api.find(resources.NAMESPACES, namespace)
        return [
            resources.name_of(pod)
            for pod in api.list(resources.PODS, namespace)
            if not _goes(pod) and enrolment.of(pod, place).is_enrolled and not enrolment.is_redirected(pod)
        ]

    waiting.until(
        lambda: not missing(),
        what=f"the pods of namespace {namespace} to be in ambient mode",
        timeout=TIMEOUT,
        next_step="kubectl -n istio-system logs daemonset/istio-cni-node",
        every=0.05,
        show=lambda _: f"not yet: {', '.join(missing())}",
    )
