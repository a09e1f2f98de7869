"""Whether new pods get a sidecar, asked of the API server by a pod that is created on trial and never stored."""

from labkit.kube import client, resources, status
from labkit.kube.resources import Object
from labkit.mesh.ambient import enrolment

NEXT = "istioctl analyze -n {namespace} says what is amiss with its labels or Istio's webhook"


def has_sidecar(pod: Object) -> bool:
    """Whether Istio's webhook has put a sidecar into a pod."""
    return enrolment.SIDECAR in resources.annotations_of(pod)


PLAIN: Object = {
    "metadata": {"name": "labkit-trial"},
    "spec": {
        "template": {
            "metadata": {"labels": {"app": "labkit-trial"}},
            "spec": {"containers": [{"name": "trial", "image": "registry.k8s.io/pause:3.10"}]},
        }
    },
}
"""A Deployment that exists nowhere, whose pod shows what a namespace's labels do."""


def trial(api: client.Client, deployment: Object, namespace: str) -> str:
    """Why a pod that this Deployment made now would have no sidecar; empty where it would, or where nobody can tell.

    The server runs its webhooks on a pod that it does not store (``dryRun=All``); Istio's allows that.
    """
    try:
        pod = api.create(resources.PODS, _pod(deployment, namespace), dry_run=True)
    except status.StatusError as e:
        # 403: this user creates no pods; 400: a webhook of somebody else's takes no trials.
        return str(e) if e.code >= 500 else ""
    return "" if has_sidecar(pod) else f"a pod tried as {resources.name_of(deployment)} gets none"


def _pod(deployment: Object, namespace: str) -> Object:
    template = deployment["spec"]["template"]
    kept = {key: value for key, value in template["metadata"].items() if key in ("labels", "annotations")}
    metadata = {**kept, "generateName": f"{resources.name_of(deployment)}-", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
