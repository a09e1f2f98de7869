"""Persistent volumes: folders of the node that outlive pods, and go when the local provisioner's volumes go."""

from collections.abc import Iterable
from pathlib import Path

from labkit.kube import api, informer, resources, status
from labkit.kube.resources import Object
from labkit.sandbox.kubelet import beneath, sources

PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
LOCAL_PATH = "rancher.io/local-path"


class PersistentVolumes:
    """Finds the folder of a claim, and removes folders of volumes that are gone."""

    def __init__(self, client: api.Api, root: Path) -> None:
        self._client, self._root = client, root
        self.followed = informer.Informer(client, resources.VOLUMES)
        self.followed.on_change(self._changed)

    def __repr__(self) -> str:
        return f"PersistentVolumes({self._root})"

    def prepare(self) -> None:
        """Make the folder of all volumes, closed to other users."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def folder(self, namespace: str, claim: str) -> Path:
        """The folder behind a claim, made if it is not there; MissingError for a claim without such a volume."""
        try:
            stored = await self._client.get(resources.CLAIMS, claim, namespace)
        except status.NotFound:
            raise sources.MissingError(f'persistentvolumeclaim "{claim}" not found') from None
        name = stored["spec"].get("volumeName")
        if not name:
            raise sources.MissingError(f'persistentvolumeclaim "{claim}" has no volume yet')
        try:
            volume = await self._client.get(resources.VOLUMES, name)
        except status.NotFound:
            raise sources.MissingError(f'persistentvolume "{name}" not found') from None
        path = _path(volume)
        if path is None:
            kind = next((k for k in volume["spec"] if isinstance(volume["spec"][k], dict) and k not in _COMMON), "?")
            raise sources.MissingError(
                f"persistentvolume {name} is a {kind} volume, and the sandbox has no driver for it: "
                "use a claim of the StorageClass standard, or a volume with hostPath or local"
            )
        beneath.make_folder(self._root, path)
        return beneath.real(self._root, path)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None and new is None and _is_provisioned(old) and (path := _path(old)):
            beneath.discard(self._root / path)

    def forget(self, volumes: Iterable[Object]) -> None:
        """Remove what volumes left that went while no kubelet ran."""
        kept = {path for volume in volumes if (path := _path(volume))}
        folder = self._root / FOLDER.lstrip("/")
        for entry in folder.iterdir() if folder.is_dir() else ():
            if str(entry.relative_to(self._root)) not in kept:
                beneath.discard(entry)


FOLDER = "/var/local-path-provisioner"
"""Where the local provisioner keeps its volumes."""

_COMMON = ("capacity", "claimRef", "nodeAffinity")


def _path(volume: Object) -> str | None:
    """The path on the node, without its first slash."""
    source = volume["spec"].get("hostPath") or volume["spec"].get("local")
    return beneath.clean(source["path"]).lstrip("/") if source else None


def _is_provisioned(volume: Object) -> bool:
    return resources.annotations_of(volume).get(PROVISIONED_BY) == LOCAL_PATH
