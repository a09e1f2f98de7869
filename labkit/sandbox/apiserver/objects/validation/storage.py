"""Rules for PersistentVolumes and StorageClasses."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import quantities
from labkit.sandbox.apiserver.objects.validation import causes, checks, names, scheduling, volumes
from labkit.sandbox.apiserver.objects.validation.causes import Cause
from labkit.sandbox.apiserver.objects.validation.checks import form, needed, needed_one_of, one_of

_SOURCES = (
    *("hostPath", "gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "flocker", "nfs", "rbd", "quobyte"),
    *("cephfs", "iscsi", "cinder", "fc", "flexVolume", "azureFile", "vsphereVolume", "photonPersistentDisk"),
    *("portworxVolume", "azureDisk", "scaleIO", "local", "storageos", "csi"),
)
"""Sources of a PersistentVolume as a server looks at them."""

_LONGEST_DRIVER = 63

FIELDS: Mapping[str, Mapping[str, tuple[checks.Check, ...]]] = {
    "StorageClass": {
        "reclaimPolicy": (one_of("Delete", "Retain"),),
        "volumeBindingMode": (needed_one_of("Immediate", "WaitForFirstConsumer"),),
    },
}
STRUCTS: Mapping[str, Callable[[Any, str], Iterator[Cause]]] = {}


def _volume(volume: Object) -> Iterator[Cause]:
    spec = volume.get("spec") or {}
    modes, capacity = spec.get("accessModes") or (), spec.get("capacity") or {}
    if not modes:
        yield causes.required("spec.accessModes")
    yield from volumes.access_modes(modes, "spec.accessModes")
    if not capacity:
        yield causes.required("spec.capacity")
    if set(capacity) != {"storage"}:
        yield causes.unsupported("spec.capacity", capacity or None, ("storage",))
    for name, amount in capacity.items():
        value = quantities.parse(amount).value
        if value < 0:
            yield causes.wrong(f"spec.capacity[{name}]", amount, "must be a valid resource quantity")
        if value <= 0:
            yield causes.wrong(f"spec.capacity[{name}]", amount, "must be greater than zero")
    policies = one_of("Delete", "Recycle", "Retain")
    yield from policies(spec.get("persistentVolumeReclaimPolicy"), "spec.persistentVolumeReclaimPolicy")
    yield from _affinity(spec.get("nodeAffinity"), "spec.nodeAffinity")
    yield from _source(spec)
    yield from form(names.subdomain)(spec.get("storageClassName"), "spec.storageClassName")
    yield from checks.word("Block", "Filesystem")(spec.get("volumeMode"), "spec.volumeMode")


def _affinity(affinity: Object | None, path: str) -> Iterator[Cause]:
    if affinity is None:
        return
    if affinity.get("required") is None:
        yield causes.required(f"{path}.required", "must specify required node constraints")
    else:
        yield from scheduling.node_selector(affinity["required"], f"{path}.required")


def _source(spec: Object) -> Iterator[Cause]:
    given = [name for name in _SOURCES if spec.get(name) is not None]
    if not given:
        yield causes.required("spec", "must specify a volume type")
        return
    kind = given[0]
    if kind == "local":
        path = spec[kind].get("path") or ""
        yield from needed()(path, "spec.local.path")
        yield from volumes.without_dots(path, "spec.local.path")
        if spec.get("nodeAffinity") is None:
            yield causes.required("spec.nodeAffinity", "Local volume requires node affinity")
    elif kind in ("hostPath", "nfs"):
        yield from volumes.source(kind, spec[kind], "spec")
    elif kind == "csi":
        yield from needed()(spec[kind].get("driver"), "spec.csi.driver")
        yield from needed()(spec[kind].get("volumeHandle"), "spec.csi.volumeHandle")
    yield from volumes.one_source(given, "spec")


def _class(storage_class: Object) -> Iterator[Cause]:
    provisioner = storage_class.get("provisioner") or ""
    yield from needed(provisioner)(provisioner, "provisioner")
    yield from form(names.qualified)(provisioner.lower(), "provisioner")
    earlier: list[Object] = [{}]
    for at, topology in enumerate(storage_class.get("allowedTopologies") or ()):
        path, terms = f"allowedTopologies[{at}].matchLabelExpressions", topology.get("matchLabelExpressions") or ()
        seen: Object = {}
        for place, term in enumerate(terms):
            here, key, values = f"{path}[{place}]", term.get("key") or "", term.get("values") or []
            if not values:
                yield causes.required(f"{here}.values")
            for position, value in enumerate(values):
                if value in values[:position]:
                    yield causes.duplicate(f"{here}.values[{position}]", value)
            for problem in names.qualified(key):
                yield causes.wrong(f"{here}.key", key, problem)
            if key in seen:
                yield causes.duplicate(f"{here}.key", key)
            seen[key] = set(values)
        # A topology without terms counts as a repetition, on a real server too.
        if seen in earlier:
            yield causes.duplicate(path, "")
        earlier.append(seen)


def _driver(driver: Object) -> Iterator[Cause]:
    name, spec = driver["metadata"].get("name") or "", driver.get("spec") or {}
    if len(name) > _LONGEST_DRIVER:
        yield causes.too_long("metadata.name", _LONGEST_DRIVER)
    modes = ("Persistent", "Ephemeral")
    for mode in spec.get("volumeLifecycleModes") or ():
        if mode not in modes:
            yield causes.unsupported("spec.volumeLifecycleModes", mode, modes)
    policies = ("File", "None", "ReadWriteOnceWithFSType")
    yield from one_of(*policies)(spec.get("fsGroupPolicy"), "spec.fsGroupPolicy")
    requests = spec.get("tokenRequests") or []
    audiences = [request.get("audience") or "" for request in requests]
    for at, request in enumerate(requests):
        here, seconds = f"spec.tokenRequests[{at}]", request.get("expirationSeconds")
        if audiences[at] in audiences[:at]:
            yield causes.duplicate(f"{here}.audience", audiences[at])
        if seconds is not None:
            yield from volumes.token_seconds(seconds, f"{here}.expirationSeconds")
    if spec.get("serviceAccountTokenInSecrets") is not None and not requests:
        detail = "serviceAccountTokenInSecrets is set but no tokenRequests are specified"
        yield causes.wrong("spec.serviceAccountTokenInSecrets", spec["serviceAccountTokenInSecrets"], detail)
    period = checks.at_least(10, "must be greater than or equal to 10 seconds")
    yield from period(spec.get("nodeAllocatableUpdatePeriodSeconds"), "spec.nodeAllocatableUpdatePeriodSeconds")


KINDS: Mapping[str, Callable[[Object], Iterator[Cause]]] = {
    "/PersistentVolume": _volume,
    "storage.k8s.io/CSIDriver": _driver,
    "storage.k8s.io/StorageClass": _class,
}
