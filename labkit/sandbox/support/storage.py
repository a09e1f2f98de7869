"""Fields of claims and persistent volumes."""

from collections.abc import Mapping

from labkit.sandbox.support.entries import Fields, Unless

_FOLDERS = "a volume is a folder of this machine, without a size of its own"
_NO_DRIVER = "the sandbox has no driver for it, so no pod with it starts; use hostPath, local, or the class standard"
_CLOUD = (
    "awsElasticBlockStore azureDisk azureFile cephfs cinder csi fc flexVolume flocker gcePersistentDisk glusterfs iscsi"
    " nfs photonPersistentDisk portworxVolume quobyte rbd scaleIO storageos vsphereVolume"
)

STRUCTS: Mapping[str, Fields] = {
    "PersistentVolumeClaim": Fields(carried_out="metadata spec", moot="apiVersion kind status"),
    "PersistentVolumeClaimSpec": Fields(
        carried_out="accessModes selector resources volumeName storageClassName",
        without_effect={
            "dataSource": "a volume begins empty",
            "dataSourceRef": "a volume begins empty",
            "volumeAttributesClassName": _FOLDERS,
            "volumeMode": Unless(values=("Filesystem",), reason=_FOLDERS),
        },
    ),
    "VolumeResourceRequirements": Fields(carried_out="requests", without_effect={"limits": _FOLDERS}),
    "PersistentVolumeSpec": Fields(
        carried_out="capacity accessModes claimRef persistentVolumeReclaimPolicy storageClassName hostPath local",
        moot="nodeAffinity",
        without_effect={
            **dict.fromkeys(_CLOUD.split(), _NO_DRIVER),
            "mountOptions": _FOLDERS,
            "volumeAttributesClassName": _FOLDERS,
            "volumeMode": Unless(values=("Filesystem",), reason=_FOLDERS),
        },
    ),
    "ObjectReference": Fields(carried_out="namespace name uid", moot="apiVersion kind fieldPath resourceVersion"),
    "HostPathVolumeSource": Fields(carried_out="path", moot="type"),
    "LocalVolumeSource": Fields(carried_out="path", moot="fsType"),
    "PersistentVolumeClaimVolumeSource": Fields(
        carried_out="claimName",
        without_effect={"readOnly": Unless(values=(False,), reason="the claim's volume is mounted for writing")},
    ),
}
"""Go struct → its fields."""
