"""Which PersistentVolume a claim gets: pure decisions."""

from collections.abc import Iterable
from dataclasses import dataclass

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.sandbox.apiserver import labels, storageclasses
from labkit.sandbox.apiserver.objects import quantities

COMPLETED, BY_CONTROLLER = "pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
PROVISIONER = ("volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner")
SELECTED_NODE = "volume.kubernetes.io/selected-node"
"""By this annotation of a claim the scheduler says where its pod will be."""

LOCAL_PATH = "rancher.io/local-path"
"""The provisioner of a kind cluster, whose volumes are folders of the node."""

FOLDER = "/var/local-path-provisioner"

STANDARD: Object = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "standard", "annotations": {storageclasses.IS_DEFAULT: "true"}},
    "provisioner": LOCAL_PATH,
    "reclaimPolicy": "Delete",
    "volumeBindingMode": "WaitForFirstConsumer",
}
"""The default class, as on kind."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a claim that is not bound needs."""

    bind: Object | None = None
    """The volume to bind."""

    provision: bool = False
    reason: str = ""
    """Of an Event, where nothing can be done."""

    message: str = ""
    is_warning: bool = False


def next_step(claim: Object, volumes: Iterable[Object], storage_class: Object | None) -> Step:
    """The next step of a claim without a volume; ``storage_class`` is the object of its class."""
    there, spec = list(volumes), claim["spec"]
    name = spec.get("storageClassName") or ""
    if spec.get("volumeName"):
        volume = next((v for v in there if resources.name_of(v) == spec["volumeName"]), None)
        return Step(bind=volume) if volume is not None and is_free_for(volume, claim) else Step()
    waits = (storage_class or {}).get("volumeBindingMode") == "WaitForFirstConsumer"
    if waits and SELECTED_NODE not in resources.annotations_of(claim):
        if any(_is_reserved(v, claim) for v in there):
            return Step(bind=match(claim, there))
        text = "waiting for first consumer to be created before binding"
        return Step(reason="WaitForFirstConsumer", message=text)
    if (volume := match(claim, there)) is not None:
        return Step(bind=volume)
    if not name:
        text = "no persistent volumes available for this claim and no storage class is set"
        return Step(reason="FailedBinding", message=text)
    if storage_class is None:
        text = f'storageclass.storage.k8s.io "{name}" not found'
        return Step(reason="ProvisioningFailed", message=text, is_warning=True)
    if storage_class["provisioner"] == LOCAL_PATH:
        return Step(provision=True)
    text = (
        f"Waiting for a volume to be created either by the external provisioner '{storage_class['provisioner']}' or"
        " manually by the system administrator. If volume creation is delayed, please verify that the provisioner is"
        " running and correctly registered."
    )
    return Step(reason="ExternalProvisioning", message=text)


def match(claim: Object, volumes: Iterable[Object]) -> Object | None:
    """The volume that is reserved for a claim, or else the smallest that has what it asks for."""
    fitting = [volume for volume in volumes if is_free_for(volume, claim) and _fits(volume, claim)]
    reserved = (volume for volume in fitting if _is_reserved(volume, claim))
    return next(reserved, min(fitting, key=lambda v: (_size(v), resources.name_of(v)), default=None))


def is_free_for(volume: Object, claim: Object) -> bool:
    """Whether a volume is nobody's, or this claim's."""
    reference = volume["spec"].get("claimRef")
    return not volume["metadata"].get("deletionTimestamp") and (reference is None or _is_reserved(volume, claim))


def _is_reserved(volume: Object, claim: Object) -> bool:
    reference = volume["spec"].get("claimRef") or {}
    named = (reference.get("namespace"), reference.get("name"))
    own = (resources.namespace_of(claim), resources.name_of(claim))
    return named == own and reference.get("uid") in (None, "", resources.uid_of(claim))


def _fits(volume: Object, claim: Object) -> bool:
    has, asks = volume["spec"], claim["spec"]
    request = ((asks.get("resources") or {}).get("requests") or {}).get("storage", "0")
    return (
        (has.get("storageClassName") or "") == (asks.get("storageClassName") or "")
        and has.get("volumeMode", "Filesystem") == asks.get("volumeMode", "Filesystem")
        and set(asks.get("accessModes") or []) <= set(has.get("accessModes") or [])
        and _size(volume) >= quantities.parse(str(request)).value
        and (asks.get("selector") is None or labels.matches(asks["selector"], resources.labels_of(volume)))
    )


def _size(volume: Object) -> float:
    return float(quantities.parse(str((volume["spec"].get("capacity") or {}).get("storage", "0"))).value)


def volume_of(claim: Object, storage_class: Object) -> Object:
    """The volume that is provisioned for a claim: a folder of the node."""
    name, namespace = f"pvc-{resources.uid_of(claim)}", resources.namespace_of(claim)
    node = resources.annotations_of(claim).get(SELECTED_NODE)
    spec: Object = {
        "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
        "accessModes": claim["spec"]["accessModes"],
        "claimRef": reference(claim),
        "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy", "Delete"),
        "storageClassName": resources.name_of(storage_class),
        "volumeMode": claim["spec"].get("volumeMode", "Filesystem"),
        "hostPath": {
            "path": f"{FOLDER}/{name}_{namespace}_{resources.name_of(claim)}",
            "type": "DirectoryOrCreate",
        },
    }
    if node:
        expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}
    annotations = {PROVISIONED_BY: storage_class["provisioner"]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": annotations},
        "spec": spec,
    }


def reference(claim: Object) -> Object:
    """``spec.claimRef`` of a claim's volume."""
    return {
        "kind": "PersistentVolumeClaim",
        "namespace": resources.namespace_of(claim),
        "name": resources.name_of(claim),
        "uid": resources.uid_of(claim),
        "apiVersion": "v1",
        "resourceVersion": claim["metadata"]["resourceVersion"],
    }


def phase(volume: Object, claim: Object | None) -> str:
    """``Available``, ``Bound`` or ``Released``."""
    held = volume["spec"].get("claimRef")
    if not held or not held.get("uid"):
        return "Available"
    return "Bound" if claim is not None and resources.uid_of(claim) == held["uid"] else "Released"
