"""Istio's default profile: control plane, webhooks and the ingress gateway."""

from collections.abc import Callable, Sequence
from importlib import resources as files

from labkit.base import versions, waiting
from labkit.clusters import capabilities
from labkit.install import control_planes, kinds, ports, presence, types
from labkit.kube import client, manifests, marks, resources, status
from labkit.kube.resources import Object
from labkit.mesh import revisions

NAMESPACE = presence.NAMESPACE
COMMAND = presence.INSTALL
"""What a practitioner types on a real cluster."""

TIMEOUT = 60.0
"""Seconds; the sandbox takes one or two."""

_CLUSTER_WIDE = (
    resources.MUTATING_WEBHOOKS,
    resources.VALIDATING_WEBHOOKS,
    resources.CLUSTER_ROLE_BINDINGS,
    resources.CLUSTER_ROLES,
)
OnStep = Callable[[str], None]


def objects() -> list[Object]:
    """The default profile without its definitions, in the order to apply."""
    text = versions.filled(files.files(__package__).joinpath("data/istio.yaml").read_text())
    return manifests.parse(text, source="istio.yaml")


def is_ours(api: client.Client) -> bool:
    """Whether the kit installed the Istio that is there; another one is never taken away."""
    namespace = api.find(resources.NAMESPACES, NAMESPACE)
    return namespace is not None and marks.is_ours(namespace)


def install(api: client.Client, *, on_step: OnStep = lambda _: None, manifest: Sequence[Object] | None = None) -> None:
    """Install the default profile where the kit's manifests can; elsewhere check that Istio and its gateway are ready.

    ``manifest`` has the objects of another revision, version or profile. Safe to repeat. SetupError says what to type
    where the Istio that is there is none for the course.
    """
    if capabilities.BUNDLED_ISTIO not in capabilities.ask(api):
        _require(api, on_step=on_step)
        return
    applied = list(objects() if manifest is None else manifest)
    ports.require(api, applied, wanted_for="Istio")
    on_step(f"namespace {NAMESPACE}")
    kinds.apply_all(api, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}])
    on_step("custom resource definitions")
    kinds.apply_all(api, types.crds())
    on_step("istiod and its webhooks")
    _apply_patiently(api, applied)
    deployed = [obj for obj in applied if obj["kind"] == "Deployment"]
    istiods = [resources.name_of(obj) for obj in deployed if not control_planes.is_gateway(obj)]
    kinds.until_rolled_out(api, istiods, NAMESPACE, timeout=TIMEOUT)
    on_step("ingress gateway")
    gateways = [resources.name_of(obj) for obj in deployed if control_planes.is_gateway(obj)]
    kinds.until_rolled_out(api, gateways, NAMESPACE, timeout=TIMEOUT)
    _until_webhooks_answer(api)


def _require(api: client.Client, *, on_step: OnStep) -> None:
    istio = presence.require(api)
    on_step(f"Istio is installed already: {istio}")
    if remark := presence.note(istio):
        on_step(remark)
    if istio.has_gateway:
        on_step("ingress gateway")
        kinds.until_rolled_out(api, [presence.GATEWAY], NAMESPACE, timeout=TIMEOUT)


def remove(api: client.Client) -> None:
    """Take Istio away, webhooks first so that nothing waits for a control plane that is going; wait until it is gone.

    Its definitions go too, and with them every rule of the mesh.
    """
    for obj in sorted(objects(), key=lambda o: not o["kind"].endswith("WebhookConfiguration")):
        api.delete(kinds.resource_of(api, obj), resources.name_of(obj), resources.namespace_of(obj))
    for resource in _CLUSTER_WIDE:  # those of other revisions, and of tags
        for obj in api.list(resource, labels="app in (istiod,sidecar-injector)"):
            api.delete(resource, resources.name_of(obj))
    for obj in types.crds():
        api.delete(resources.CRDS, resources.name_of(obj))
    api.delete(resources.NAMESPACES, NAMESPACE)
    waiting.until(
        lambda: api.find(resources.NAMESPACES, NAMESPACE) is None,
        what=f"the end of namespace {NAMESPACE}",
        timeout=TIMEOUT,
        next_step=f"kubectl get namespace {NAMESPACE} -o yaml",
        every=0.02,
    )


def remove_revision(api: client.Client, manifest: Sequence[Object]) -> None:
    """Take one control plane away, its webhooks first; definitions, and what others share, stay."""
    for obj in sorted(manifest, key=lambda o: not o["kind"].endswith("WebhookConfiguration")):
        api.delete(kinds.resource_of(api, obj), resources.name_of(obj), resources.namespace_of(obj))


def remove_others(api: client.Client, *, on_step: OnStep = lambda _: None) -> None:
    """Take away what a lesson left: control planes of other revisions, tags, and another version of the default one."""
    for deployment in api.list(resources.DEPLOYMENTS, NAMESPACE, labels="app=istiod"):
        revision = revisions.of_name(resources.labels_of(deployment).get(revisions.LABEL, ""))
        if not revision.is_default and marks.is_ours(deployment):
            on_step(f"take revision {revision} away")
            manifest = control_planes.of(objects(), revision)
            remove_revision(api, [obj for obj in manifest if not control_planes.is_gateway(obj)])
    for resource, namespace in ((resources.MUTATING_WEBHOOKS, None), (resources.SERVICES, NAMESPACE)):
        for obj in api.list(resource, namespace, labels="istio.io/owned-by=istioctl"):
            api.delete(resource, resources.name_of(obj), namespace)


def _apply_patiently(api: client.Client, manifest: Sequence[Object]) -> None:
    """Apply all; webhook configurations keep the certificate that istiod wrote into them.

    While a tag ``default`` says which revision injects, the default revision's own webhook stays switched off.
    """
    has_tag = api.find(resources.MUTATING_WEBHOOKS, control_planes.DEFAULT_TAG) is not None
    for obj in manifest:
        resource = kinds.resource_of(api, obj)
        if obj["kind"] == "Deployment":
            _make_way(api, obj)
        live = api.find(resource, resources.name_of(obj)) if obj["kind"].endswith("WebhookConfiguration") else None
        if live is None:
            kinds.apply_all(api, [obj])
        elif not (has_tag and resources.name_of(obj) in control_planes.OF_DEFAULT_TAG):
            # Replaced, not applied: a selector that a tag has written would stay beside the manifest's own.
            metadata = {**live["metadata"], **marks.marked(obj)["metadata"]}
            api.replace(resource, {**control_planes.trusted(obj, live), "metadata": metadata})


def _make_way(api: client.Client, deployment: Object) -> None:
    """Delete a Deployment of the same name with another selector: that field cannot be changed."""
    name = resources.name_of(deployment)
    live = api.find(resources.DEPLOYMENTS, name, NAMESPACE)
    if live is None or live["spec"]["selector"] == deployment["spec"]["selector"]:
        return
    api.delete(resources.DEPLOYMENTS, name, NAMESPACE)
    waiting.until(
        lambda: api.find(resources.DEPLOYMENTS, name, NAMESPACE) is None,
        what=f"the end of the old Deployment {name}",
        timeout=TIMEOUT,
        next_step=f"kubectl -n {NAMESPACE} get deployment {name} -o yaml",
        every=0.02,
    )


def _until_webhooks_answer(api: client.Client) -> None:
    """Wait until a broken object is refused: only then every later apply is judged."""
    probe = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "labkit-probe", "namespace": NAMESPACE},
        "spec": {},
    }

    def refused() -> bool:
        try:
            api.create(resources.GATEWAYS, probe, dry_run=True)
        except status.StatusError as e:
            return e.code == 400
        return False

    waiting.until(
        refused,
        what="istiod's validation webhook",
        timeout=TIMEOUT,
        next_step=f"kubectl -n {NAMESPACE} logs deploy/istiod",
        every=0.02,
    )
