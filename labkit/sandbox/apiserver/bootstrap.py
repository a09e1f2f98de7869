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


async def fill(api: LocalApi, *, port: int, inside: str = "") -> None:
    """Create what is missing; what is there stays as its owner has made it.

    ``inside`` is the address at which pods reach the API server, if there are pods.
    """
    for name in NAMESPACES:
        await _ensure(api, resources.NAMESPACES, {"metadata": {"name": name}})
    await _ensure(api, resources.SERVICES, _kubernetes(port))
    if inside:
        endpoint = _slice(inside, port)
        await _ensure(api, resources.ENDPOINT_SLICES, endpoint)
        # Address and port may be others than last time.
        await api.patch(resources.ENDPOINT_SLICES, "kubernetes", "default", endpoint, manager="kube-apiserver")
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


def _slice(address: str, port: int) -> Object:
    return {
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    }


async def _ensure(api: LocalApi, resource: resources.Resource, obj: Object) -> None:
    try:
        await api.create(resource, obj, manager="kube-apiserver")
    except status.AlreadyExists:
        return
