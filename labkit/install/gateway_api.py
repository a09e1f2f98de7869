"""The definitions of the Gateway API, which neither Kubernetes nor Istio brings: looked at, and added when asked to."""

from labkit.base import errors, versions, waiting
from labkit.install import kinds, types
from labkit.kube import client, resources, status
from labkit.kube.resources import Object

VERSION = versions.gateway_api()
PUBLISHED = (
    "kubectl apply --server-side -f "
    f"https://github.com/kubernetes-sigs/gateway-api/releases/download/{VERSION}/standard-install.yaml"
)
TIMEOUT = 30.0


def is_served(api: client.Client) -> bool:
    """Whether the API server knows HTTPRoutes; every user may ask that."""
    code, _, _ = api.raw("GET", f"/apis/{resources.HTTP_ROUTES.api_version}")
    return code == 200


def advice() -> str:
    """What to say where they are missing."""
    return (
        f"this cluster has no definitions of the Gateway API: lab.install_gateway_api() adds those of {VERSION} for "
        f"the whole cluster; the published ones: {PUBLISHED}"
    )


def install(api: client.Client) -> bool:
    """Add the definitions; False where the cluster has them. SetupError says whom to ask where this user may not."""
    if is_served(api):
        return False
    try:
        kinds.apply_all(api, definitions())
    except status.StatusError as e:
        if e.code != 403:
            raise
        raise errors.SetupError(
            "You may not add definitions to this cluster, and it has none of the Gateway API.",
            next_step=f"ask its owner for this: {PUBLISHED}",
        ) from e
    waiting.until(
        lambda: is_served(api),
        what="the Gateway API's definitions",
        timeout=TIMEOUT,
        next_step="kubectl get crds",
    )
    return True


def definitions() -> list[Object]:
    """Those of the Gateway API alone."""
    return [crd for crd in types.crds() if crd["spec"]["group"] == types.GATEWAY_API]
