"""Rules for references to the pod's own fields and resources, in variables and in files."""

import re
from collections.abc import Iterator

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import quantities
from labkit.sandbox.apiserver.objects.validation import causes, names
from labkit.sandbox.apiserver.objects.validation.causes import Cause

_OF_THE_POD = ("metadata.name", "metadata.namespace", "metadata.uid")
IN_VARIABLES = (
    *_OF_THE_POD,
    *("spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"),
)
"""Fields that a variable can show, in the server's order."""

IN_FILES = ("metadata.annotations", "metadata.labels", *_OF_THE_POD)
"""Fields that a file can show, in the server's order."""

_CONVERTED = {
    *IN_VARIABLES,
    *IN_FILES,
    *("spec.restartPolicy", "spec.schedulerName", "status.phase"),
}
"""Fields that the server can name in any version."""

_RESOURCES = (
    *("limits.cpu", "limits.ephemeral-storage", "limits.memory"),
    *("requests.cpu", "requests.ephemeral-storage", "requests.memory"),
)
_HUGE = ("limits.hugepages-", "requests.hugepages-")
_BYTES = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_SUBSCRIPT = re.compile(r"(.+)\['(.*)'\]")


def field(ref: Object, path: str, supported: tuple[str, ...]) -> Iterator[Cause]:
    """A reference to a field of the pod."""
    text = ref.get("fieldPath") or ""
    if not ref.get("apiVersion"):
        yield causes.required(f"{path}.apiVersion")
        return
    if not text:
        yield causes.required(f"{path}.fieldPath")
        return
    if ref["apiVersion"] != "v1":
        detail = f"error converting fieldPath: unsupported pod version: {ref['apiVersion']}"
        yield causes.wrong(f"{path}.fieldPath", text, detail)
        return
    match = _SUBSCRIPT.fullmatch(text)
    if match and match[1] not in ("metadata.annotations", "metadata.labels"):
        detail = f"error converting fieldPath: field label does not support subscript: {text}"
        yield causes.wrong(f"{path}.fieldPath", text, detail)
    elif match:
        key = match[2].lower() if match[1] == "metadata.annotations" else match[2]
        for problem in names.qualified(key):
            yield causes.wrong(path, key, problem)
    elif text not in _CONVERTED:
        detail = f"error converting fieldPath: field label not supported: {text}"
        yield causes.wrong(f"{path}.fieldPath", text, detail)
    elif text not in supported:
        yield causes.unsupported(f"{path}.fieldPath", text, sorted(supported))


def resource(ref: Object, path: str, *, needs_container: bool) -> Iterator[Cause]:
    """A reference to a request or limit of a container."""
    name = ref.get("resource") or ""
    if needs_container and not ref.get("containerName"):
        yield causes.required(f"{path}.containerName")
    elif not name:
        yield causes.required(f"{path}.resource")
    elif name not in _RESOURCES and not name.startswith(_HUGE):
        yield causes.unsupported(f"{path}.resource", name, _RESOURCES)
    divisor = ref.get("divisor")
    if divisor is None or quantities.parse(divisor).value == 0:
        return
    shown = quantities.canonical(divisor)
    if name in ("limits.cpu", "requests.cpu"):
        if shown not in ("1", "1m"):
            detail = "only divisor's values 1m and 1 are supported with the cpu resource"
            yield causes.wrong(f"{path}.divisor", name, detail)
        return
    kinds = {"memory": "memory", "ephemeral-storage": "local ephemeral storage"}
    kind = kinds.get(name.partition(".")[2]) or ("hugepages" if name.startswith(_HUGE) else "")
    if kind and shown not in _BYTES:
        detail = f"only divisor's values {', '.join(_BYTES)} are supported with the {kind} resource"
        yield causes.wrong(f"{path}.divisor", name, detail)
