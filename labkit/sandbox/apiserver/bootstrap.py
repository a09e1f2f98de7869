"""The objects every cluster has from the start."""

from labkit.kube import resources, status
from labkit.kube.resources import Object
from labkit.sandbox.apiserver import policy
from labkit.sandbox.apiserver.authorization import GROUP
from labkit.sandbox.apiserver.local import LocalApi

NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
KUBERNETES_IP = "10.96.0.1"
CLUSTER_ROLES = resources.Resource(
    api_version=f"{GROUP}/v1", kind="ClusterRole", plural="clusterroles", namespaced=False
)
CLUSTER_ROLE_BINDINGS = resources.Resource(
    api_version=f"{GROUP}/v1", kind="ClusterRoleBinding", plural="clusterrolebindings", namespaced=False
)


async def fill(api: LocalApi, *, port: int) -> None:
    """Create what is missing; what is there stays as its owner has made it."""
    for name in NAMESPACES:
        await _ensure(api, resources.NAMESPACES, {"metadata": {"name": name}})
    await _ensure(api, resources.SERVICES, _kubernetes(port))
    for role in policy.roles():
        await _ensure(api, CLUSTER_ROLES, role)
    for binding in policy.bindings():
        await _ensure(api, CLUSTER_ROLE_BINDINGS, binding)


def _kubernetes(port: int) -> Object:
    labels = {"component": "apiserver", "provider": "kubernetes"}
    return {
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": labels},
        "spec": {
            "clusterIP": KUBERNETES_IP,
            "ports": [{"name": "https", "port": 443, "targetPort": port}],
        },
    }


async def _ensure(api: LocalApi, resource: resources.Resource, obj: Object) -> None:
    try:
        await api.create(resource, obj, manager="kube-apiserver")
    except status.AlreadyExists:
        return
