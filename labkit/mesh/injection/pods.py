"""A pod with its proxy."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import revisions
from labkit.mesh.hosts import workloads
from labkit.mesh.injection import container, deciding, probes, scraping, settings
from labkit.mesh.injection.settings import Settings

HBONE = "ISTIO_META_ENABLE_HBONE"
"""The variable by which a proxy sends and takes tunnels."""

OVERRIDES = "proxy.istio.io/overrides"
_FIELDS = (
    "name", "image", "command", "args", "workingDir", "ports", "envFrom", "env", "resources", "volumeMounts",
    "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "terminationMessagePath",
    "terminationMessagePolicy", "imagePullPolicy", "securityContext",
)  # fmt: skip
"""A container's fields, in the order in which Go writes them."""


NOTHING: Mapping[str, Any] = MappingProxyType({})
DEFAULT = revisions.Revision()


def inject(
    pod: Object,
    *,
    namespace: Object,
    mesh: Mapping[str, Any] = NOTHING,
    is_selected: bool = False,
    revision: revisions.Revision = DEFAULT,
) -> Object | None:
    """The pod with its proxy; None when it gets none. InjectionError when its annotations make no sense.

    ``mesh`` is the mesh configuration: its trust domain, and ``defaultConfig`` below what the pod says itself.
    ``is_selected`` is for a webhook: its selectors, those of a revision tag too, have decided about the namespace.
    ``revision`` is the control plane that the proxy will hang on.
    """
    spec = dict(pod["spec"])
    inits, apps = list(spec.get("initContainers") or []), list(spec.get("containers") or [])
    is_wanted = deciding.is_willing(pod) if is_selected else deciding.is_wanted(pod, namespace, revision=revision.name)
    if not is_wanted or any(c["name"] == container.PROXY for c in inits):
        return None
    own_settings, place = settings.of_pod(pod, mesh, revision), resources.name_of(namespace)
    # A container of the proxy's name is no app: it says what the pod wants otherwise of the proxy.
    own = next((c for c in apps if c["name"] == container.PROXY), None)
    apps = [c for c in apps if c is not own]
    proxy = container.proxy(pod, apps, place, own_settings)
    if own is not None:
        proxy = overridden(proxy, own)
    shown = [probes.rewritten(c) for c in apps] if own_settings.rewrites_probes else apps
    capturing = container.init(own_settings)
    first = [*([capturing] if capturing else []), *([proxy] if own_settings.is_native else [])]
    spec["initContainers"] = [*first, *inits]
    late = [] if own_settings.is_native else [proxy]
    spec["containers"] = [*late, *shown] if own_settings.holds_application else [*shown, *late]
    added = container.volumes(own_settings)
    spec["volumes"] = [*added, *(spec.get("volumes") or [])]
    metadata = dict(pod["metadata"])
    proxied = {"security.istio.io/tlsMode": "istio", **_tunnel(own_settings)}
    metadata["labels"] = {**_labels(pod), **resources.labels_of(pod), **proxied}
    annotations = {**resources.annotations_of(pod), **_annotations(apps, added, own_settings)}
    if own is not None:
        annotations[OVERRIDES] = _overrides(own, own_settings)
    metadata["annotations"] = annotations
    return {**pod, "metadata": metadata, "spec": spec}


def overridden(proxy: Object, own: Object) -> Object:
    """The proxy as the pod's own container wants it; the image ``auto`` is the default one."""
    merged = {**proxy, **{key: value for key, value in own.items() if key in _FIELDS and value}}
    if own.get("image") in (None, "", "auto"):
        merged["image"] = proxy["image"]
    merged["env"] = _merged(proxy["env"], own.get("env") or [], "name")
    merged["volumeMounts"] = _merged(proxy["volumeMounts"], own.get("volumeMounts") or [], "mountPath")
    amounts = own.get("resources") or {}
    merged["resources"] = {
        **proxy["resources"],
        **{kind: {**proxy["resources"].get(kind, {}), **values} for kind, values in amounts.items() if values},
    }
    return merged


def _merged(default: list[Object], own: list[Object], key: str) -> list[Object]:
    # One without its key is left to the API server, which refuses it.
    by_key = {item.get(key): item for item in default} | {item.get(key): item for item in own}
    return list(by_key.values())


def _overrides(own: Object, of_pod: Settings) -> str:
    kept = {key: own[key] for key in _FIELDS if own.get(key) and not (key == "image" and own[key] == "auto")}
    return json.dumps({"initContainers" if of_pod.is_native else "containers": [kept]}, separators=(",", ":"))


def _tunnel(settings: Settings) -> dict[str, str]:
    """The label of a pod whose sidecar takes tunnels (HBONE)."""
    takes = settings.metadata.get(HBONE) == "true"
    return {workloads.TUNNEL: workloads.TUNNEL_HTTP} if takes else {}


def _labels(pod: Object) -> dict[str, str]:
    labels = resources.labels_of(pod)
    name = labels.get("app.kubernetes.io/name") or labels.get("app") or container.workload_of(pod)
    revision = labels.get("app.kubernetes.io/version") or labels.get("version") or "latest"
    return {"service.istio.io/canonical-name": name, "service.istio.io/canonical-revision": revision}


def _annotations(apps: list[Object], added: list[Mapping[str, Any]], of_pod: Settings) -> dict[str, str]:
    native = of_pod.is_native
    capturing = [] if of_pod.mode == "NONE" else [container.INIT]
    status = {
        "initContainers": [*capturing, container.PROXY] if native else capturing or None,
        "containers": None if native else [container.PROXY],
        "volumes": [v["name"] for v in added],
        "imagePullSecrets": None,
        "revision": of_pod.revision.name,
    }
    first = apps[0]["name"] if apps else container.PROXY
    return {
        "istio.io/rev": of_pod.revision.name,
        "kubectl.kubernetes.io/default-container": first,
        "kubectl.kubernetes.io/default-logs-container": first,
        **scraping.annotations(of_pod),
        "sidecar.istio.io/status": json.dumps(status, separators=(",", ":")),
    }
