"""Tables of volumes and claims."""

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.tables.columns import AGE, NAME, UNSET, Column, at, column, joined, wide

_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def _modes(*path: str) -> Column:
    modes = at(*path, default=())
    model = "V1PersistentVolumeSpec" if path[0] == "spec" else "V1PersistentVolumeClaimStatus"
    return column(
        "Access Modes",
        lambda obj: joined([short for mode, short in _MODES.items() if mode in modes(obj)]),
        f"{model}.access_modes",
    )


def _phase(obj: Object) -> str:
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return str(at("status", "phase")(obj))


def _claim(volume: Object) -> str:
    reference = volume["spec"].get("claimRef")
    return f"{reference.get('namespace', '')}/{reference['name']}" if reference else ""


def _class(obj: Object) -> str:
    beta = (obj["metadata"].get("annotations") or {}).get("volume.beta.kubernetes.io/storage-class")
    return str(beta or at("spec", "storageClassName")(obj))


_ATTRIBUTES = at("spec", "volumeAttributesClassName", default=UNSET)

TABLES = {
    "/PersistentVolumeClaim": (
        NAME,
        column("Status", _phase, "V1PersistentVolumeClaimStatus.phase"),
        column("Volume", at("spec", "volumeName"), "V1PersistentVolumeClaimSpec.volume_name"),
        column("Capacity", at("status", "capacity", "storage"), "V1PersistentVolumeClaimStatus.capacity"),
        _modes("status", "accessModes"),
        column("StorageClass", _class, "StorageClass of the pvc"),
        column("VolumeAttributesClass", _ATTRIBUTES, "VolumeAttributesClass of the pvc"),
        AGE,
        wide("VolumeMode", at("spec", "volumeMode", default=UNSET), "V1PersistentVolumeClaimSpec.volume_mode"),
    ),
    "/PersistentVolume": (
        NAME,
        column("Capacity", at("spec", "capacity", "storage"), "V1PersistentVolumeSpec.capacity"),
        _modes("spec", "accessModes"),
        column(
            "Reclaim Policy",
            at("spec", "persistentVolumeReclaimPolicy"),
            "V1PersistentVolumeSpec.persistent_volume_reclaim_policy",
        ),
        column("Status", _phase, "V1PersistentVolumeStatus.phase"),
        column("Claim", _claim, "V1PersistentVolumeSpec.claim_ref"),
        column("StorageClass", _class, "StorageClass of the pv"),
        column("VolumeAttributesClass", _ATTRIBUTES, "VolumeAttributesClass of the pv"),
        column("Reason", at("status", "reason"), "V1PersistentVolumeStatus.reason"),
        AGE,
        wide("VolumeMode", at("spec", "volumeMode", default=UNSET), "V1PersistentVolumeSpec.volume_mode"),
    ),
    "storage.k8s.io/StorageClass": (
        NAME,
        column("Provisioner", at("provisioner"), "V1StorageClass.provisioner"),
        column("ReclaimPolicy", at("reclaimPolicy"), "V1StorageClass.reclaim_policy"),
        column("VolumeBindingMode", at("volumeBindingMode"), "V1StorageClass.volume_binding_mode"),
        column(
            "AllowVolumeExpansion",
            lambda c: bool(c.get("allowVolumeExpansion")),
            "V1StorageClass.allow_volume_expansion",
        ),
        AGE,
    ),
}
