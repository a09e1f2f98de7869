"""Rules for volumes, and for the claims that stand in templates."""

from collections.abc import Iterator, Sequence
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import quantities
from labkit.sandbox.apiserver.objects.validation import causes, checks, fieldpaths, names
from labkit.sandbox.apiserver.objects.validation.causes import Cause
from labkit.sandbox.apiserver.objects.validation.checks import form, needed

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_HOST_PATHS = ("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket")
_MODE = "must be a number between 0 and 0777 (octal), both inclusive"
_TOKEN_SECONDS = 10 * 60
_TWICE = "conflicting duplicate paths"
_OTHER_METADATA = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
)
"""Metadata that the template of an ephemeral claim cannot have."""


def usable(volumes: Sequence[Object], path: str) -> tuple[dict[str, Object], list[Cause]]:
    """The volumes that containers can mount, by name, and what is wrong with the others."""
    good: dict[str, Object] = {}
    problems: list[Cause] = []
    for at, volume in enumerate(volumes):
        here, name = f"{path}[{at}]", volume.get("name") or ""
        complaints = [*_source(volume, here)]
        complaints += [*needed()(name, f"{here}.name"), *form(names.label)(name, f"{here}.name")]
        if name in good:
            complaints.append(causes.duplicate(f"{here}.name", name))
        if not complaints:
            good[name] = volume
        problems += complaints
    return good, problems


_ORDER = (
    *("emptyDir", "hostPath", "gitRepo", "gcePersistentDisk", "awsElasticBlockStore", "secret", "nfs", "iscsi"),
    *("glusterfs", "flocker", "persistentVolumeClaim", "rbd", "cinder", "cephfs", "quobyte", "downwardAPI", "fc"),
    *("flexVolume", "configMap", "azureFile", "vsphereVolume", "photonPersistentDisk", "portworxVolume"),
    *("azureDisk", "storageos", "projected", "scaleIO", "csi", "ephemeral", "image"),
)
"""Sources as a server looks at them: the first one counts, each further one is too much."""

_SHOWN = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}
"""Names that a server says otherwise, a misspelt one among them, when a source is too much."""


def _source(volume: Object, path: str) -> Iterator[Cause]:
    sources = [name for name in _ORDER if volume.get(name) is not None]
    yield from one_source(sources, path)
    if not sources:
        yield causes.required(path, "must specify a volume type")
    elif rule := _SOURCES.get(sources[0]):
        yield from rule(volume[sources[0]], f"{path}.{sources[0]}")


def one_source(sources: Sequence[str], path: str) -> Iterator[Cause]:
    """Every source but the first is too much."""
    for name in sources[1:]:
        yield causes.forbidden(f"{path}.{_SHOWN.get(name, name)}", "may not specify more than 1 volume type")


def mode(value: Any, path: str) -> Iterator[Cause]:
    """The permissions of a file."""
    if value is not None and not 0 <= value <= 0o777:
        yield causes.wrong(path, value, _MODE)


def relative(text: str, path: str) -> Iterator[Cause]:
    """A path that stays below the folder it starts in."""
    if text.startswith("/"):
        yield causes.wrong(path, text, "must be a relative path")
    yield from without_dots(text, path)


def without_dots(text: str, path: str) -> Iterator[Cause]:
    """A path without ``..``."""
    if ".." in text.split("/"):
        yield causes.wrong(path, text, "must not contain '..'")


def _inside(text: str, path: str) -> Iterator[Cause]:
    """As ``relative``; names that start with two dots are the kubelet's own."""
    yield from relative(text, path)
    if text.startswith("..") and not text.startswith("../"):
        yield causes.wrong(path, text, "must not start with '..'")


def _empty_dir(source: Object, path: str) -> Iterator[Cause]:
    limit = source.get("sizeLimit")
    if limit is not None and quantities.parse(limit).value < 0:
        yield causes.forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")


def _host_path(source: Object, path: str) -> Iterator[Cause]:
    text = source.get("path") or ""
    if not text:
        yield causes.required(f"{path}.path")
        return
    yield from without_dots(text, f"{path}.path")
    kind = source.get("type")
    if kind is not None and kind not in _HOST_PATHS:
        yield causes.unsupported(f"{path}.type", kind, _HOST_PATHS)


def _keys(items: Any, path: str) -> Iterator[Cause]:
    for at, item in enumerate(items or ()):
        here, target = f"{path}[{at}]", item.get("path") or ""
        yield from needed()(item.get("key"), f"{here}.key")
        yield from needed()(target, f"{here}.path")
        yield from _inside(target, f"{here}.path")
        yield from mode(item.get("mode"), f"{here}.mode")


def _secret(source: Object, path: str) -> Iterator[Cause]:
    yield from needed()(source.get("secretName"), f"{path}.secretName")
    yield from mode(source.get("defaultMode"), f"{path}.defaultMode")
    yield from _keys(source.get("items"), f"{path}.items")


def _config_map(source: Object, path: str) -> Iterator[Cause]:
    yield from needed()(source.get("name"), f"{path}.name")
    yield from mode(source.get("defaultMode"), f"{path}.defaultMode")
    yield from _keys(source.get("items"), f"{path}.items")


def _claim_source(source: Object, path: str) -> Iterator[Cause]:
    yield from needed()(source.get("claimName"), f"{path}.claimName")


def _downward(source: Object, path: str) -> Iterator[Cause]:
    yield from mode(source.get("defaultMode"), f"{path}.defaultMode")
    for item in source.get("items") or ():
        yield from _downward_file(item, path)


def _downward_file(item: Object, path: str) -> Iterator[Cause]:
    target, field, resource = item.get("path") or "", item.get("fieldRef"), item.get("resourceFieldRef")
    yield from needed()(target, f"{path}.path")
    yield from _inside(target, f"{path}.path")
    if field is not None:
        yield from fieldpaths.field(field, f"{path}.fieldRef", fieldpaths.IN_FILES)
        if resource is not None:
            detail = "fieldRef and resourceFieldRef can not be specified simultaneously"
            yield causes.wrong(path, "resource", detail)
    elif resource is not None:
        yield from fieldpaths.resource(resource, f"{path}.resourceFieldRef", needs_container=True)
    else:
        yield causes.required(path, "one of fieldRef and resourceFieldRef is required")
    yield from mode(item.get("mode"), f"{path}.mode")


def _projected(source: Object, path: str) -> Iterator[Cause]:
    yield from mode(source.get("defaultMode"), f"{path}.defaultMode")
    paths: set[str] = set()
    for at, part in enumerate(source.get("sources") or ()):
        here = f"{path}.sources[{at}]"
        for kind in ("secret", "configMap"):
            if (files := part.get(kind)) is not None:
                name = files.get("name") or ""
                yield from needed()(name, f"{here}.{kind}.name")
                yield from _keys(files.get("items"), f"{here}.{kind}.items")
                yield from _twice(files.get("items"), paths, path, name)
        if (files := part.get("downwardAPI")) is not None:
            for item in files.get("items") or ():
                yield from _downward_file(item, f"{here}.downwardAPI")
            yield from _twice(files.get("items"), paths, path)
        if (token := part.get("serviceAccountToken")) is not None:
            yield from _token(token, f"{here}.serviceAccountToken", path)
        if sum(value is not None for value in part.values()) > 1:
            yield causes.forbidden(here, "may not specify more than 1 volume type per source")


def _twice(items: Any, paths: set[str], path: str, name: str = "") -> Iterator[Cause]:
    for item in items or ():
        target = item.get("path") or ""
        if target and target in paths:
            yield causes.wrong(path, name or target, _TWICE)
        paths.add(target)


def _token(token: Object, path: str, volume: str) -> Iterator[Cause]:
    seconds, target = token.get("expirationSeconds") or 0, token.get("path") or ""
    yield from token_seconds(seconds, f"{path}.expirationSeconds")
    yield from needed()(target, f"{volume}.path")
    yield from _inside(target, f"{volume}.path")


def token_seconds(seconds: int, path: str) -> Iterator[Cause]:
    """How long a token is good for."""
    if seconds < _TOKEN_SECONDS:
        yield causes.wrong(path, seconds, "may not specify a duration less than 10 minutes")
    if seconds > 1 << 32:
        yield causes.wrong(path, seconds, "may not specify a duration larger than 2^32 seconds")


def _csi(source: Object, path: str) -> Iterator[Cause]:
    driver, secret = source.get("driver") or "", source.get("nodePublishSecretRef")
    yield from needed()(driver, f"{path}.driver")
    if len(driver) > 63:
        yield causes.too_long(f"{path}.driver", 63)
    yield from form(names.subdomain)(driver.lower(), f"{path}.driver")
    if secret is not None:
        yield from needed()(secret.get("name"), f"{path}.nodePublishSecretRef.name")
        yield from form(names.subdomain)(secret.get("name"), f"{path}.name")


def _ephemeral(source: Object, path: str) -> Iterator[Cause]:
    template, here = source.get("volumeClaimTemplate"), f"{path}.volumeClaimTemplate"
    if template is None:
        yield causes.required(here)
        return
    metadata = template.get("metadata") or {}
    yield from checks.annotations(metadata.get("annotations") or {}, f"{here}.metadata.annotations")
    yield from checks.label_set(metadata.get("labels"), f"{here}.metadata.labels")
    for field in _OTHER_METADATA:
        if metadata.get(field) not in (None, "", [], {}, 0):
            yield causes.forbidden(f"{here}.metadata.{field}", "cannot be set")
    yield from claim(template.get("spec") or {}, f"{here}.spec")


def _nfs(source: Object, path: str) -> Iterator[Cause]:
    yield from needed()(source.get("server"), f"{path}.server")
    yield from needed()(source.get("path"), f"{path}.path")
    if not (source.get("path") or "").startswith("/"):
        yield causes.wrong(f"{path}.path", source.get("path") or "", "must be an absolute path")


def _image(source: Object, path: str) -> Iterator[Cause]:
    yield from checks.one_of("Always", "IfNotPresent", "Never")(source.get("pullPolicy"), f"{path}.pullPolicy")


_SOURCES = {
    "emptyDir": _empty_dir,
    "hostPath": _host_path,
    "secret": _secret,
    "configMap": _config_map,
    "persistentVolumeClaim": _claim_source,
    "downwardAPI": _downward,
    "projected": _projected,
    "csi": _csi,
    "ephemeral": _ephemeral,
    "nfs": _nfs,
    "image": _image,
}


def source(kind: str, value: Object, path: str) -> Iterator[Cause]:
    """One source, as it stands in a pod or in a PersistentVolume."""
    yield from _SOURCES[kind](value, f"{path}.{kind}")


def access_modes(modes: Sequence[str], path: str) -> Iterator[Cause]:
    """How a volume can be mounted."""
    for mode in modes:
        if mode not in ACCESS_MODES:
            yield causes.unsupported(path, mode, ACCESS_MODES)
    if "ReadWriteOncePod" in modes and any(mode in ACCESS_MODES[:3] for mode in modes):
        yield causes.forbidden(path, "may not use ReadWriteOncePod with other access modes")


def claim(spec: Object, path: str) -> Iterator[Cause]:
    """The spec of a PersistentVolumeClaim, wherever it stands."""
    modes = spec.get("accessModes") or ()
    if not modes:
        yield causes.required(f"{path}.accessModes", "at least 1 access mode is required")
    yield from checks.selector(spec.get("selector"), f"{path}.selector")
    yield from access_modes(modes, f"{path}.accessModes")
    storage = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if storage is None:
        yield causes.required(f"{path}.resources[storage]")
    elif quantities.parse(storage).value <= 0:
        yield causes.wrong(f"{path}.resources[storage]", storage, "must be greater than zero")
    yield from form(names.subdomain)(spec.get("storageClassName"), f"{path}.storageClassName")
    if spec.get("volumeMode") is not None and spec["volumeMode"] not in ("Block", "Filesystem"):
        yield causes.unsupported(f"{path}.volumeMode", spec["volumeMode"], ("Block", "Filesystem"))
    for field in ("dataSource", "dataSourceRef"):
        if spec.get(field) is not None:
            yield from _data_source(spec[field], f"{path}.{field}")
    yield from form(names.subdomain)(spec.get("volumeAttributesClassName"), f"{path}.volumeAttributesClassName")


def _data_source(source: Object, path: str) -> Iterator[Cause]:
    yield from needed()(source.get("name"), f"{path}.name")
    yield from needed()(source.get("kind"), f"{path}.kind")
    if not source.get("apiGroup") and source.get("kind") != "PersistentVolumeClaim":
        detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
        yield causes.wrong(path, source.get("kind") or "", detail)
    yield from form(names.subdomain)(source.get("apiGroup"), f"{path}.apiGroup")
    yield from form(names.label)(source.get("namespace"), f"{path}.namespace")
