"""Environment and command line of a container: pure functions of the pod and what it refers to."""

import re
from collections.abc import Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.kubelet import sources

_REFERENCE = re.compile(r"\$\$|\$\(([^()]*)\)")
_NAME = re.compile(r"[^=]+")


def variables(
    pod: Object, container: Object, lookup: sources.Lookup, linked: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The variables the pod declares; MissingError when one cannot be had. They may refer to ``linked`` ones too."""
    declared: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        declared.update(_all_of(source, lookup))
    for entry in container.get("env") or []:
        value = _value(pod, container, entry, lookup)
        if value is not None:
            declared[entry["name"]] = value if "valueFrom" in entry else expand(value, {**(linked or {}), **declared})
    return declared


def _all_of(source: Object, lookup: sources.Lookup) -> dict[str, str]:
    for key, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
        if ref := source.get(key):
            data = sources.find(lookup, kind, ref, ref["name"]) or {}
            prefix = source.get("prefix", "")
            return {
                f"{prefix}{name}": value.decode(errors="replace")
                for name, value in data.items()
                if _NAME.fullmatch(name)
            }
    return {}


def _value(pod: Object, container: Object, entry: Object, lookup: sources.Lookup) -> str | None:
    origin = entry.get("valueFrom")
    if not origin:
        return str(entry.get("value") or "")
    if ref := origin.get("fieldRef"):
        return sources.field(pod, ref["fieldPath"])
    if ref := origin.get("resourceFieldRef"):
        containers = [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]
        other = next((c for c in containers if c["name"] == ref.get("containerName")), container)
        return sources.resource_field(other, ref)
    for key, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
        if ref := origin.get(key):
            return _one_of(pod, kind, ref, lookup)
    return None


def _one_of(pod: Object, kind: str, ref: Mapping[str, Any], lookup: sources.Lookup) -> str | None:
    data = sources.find(lookup, kind, ref, ref["name"])
    if data is None:
        return None
    if ref["key"] in data:
        return data[ref["key"]].decode(errors="replace")
    if ref.get("optional"):
        return None
    place = f"{pod['metadata'].get('namespace', '')}/{ref['name']}"
    raise sources.MissingError(f"couldn't find key {ref['key']} in {kind} {place}")


def expand(text: str, values: Mapping[str, str]) -> str:
    """``$(NAME)`` replaced where NAME is known, ``$$`` by ``$``."""

    def replaced(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return values.get(match[1], match[0])

    return _REFERENCE.sub(replaced, text)


def expand_all(text: str, values: Mapping[str, str]) -> str:
    """As ``expand``, for a ``subPathExpr``: MissingError for a name that is not known."""
    for match in _REFERENCE.finditer(text):
        if match[0] != "$$" and match[1] not in values:
            raise sources.MissingError(f'missing value for "{match[1]}"')
    return expand(text, values)


def command_line(container: Object, values: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """``command`` and ``args`` with their references replaced."""
    command, args = (container.get(key) or [] for key in ("command", "args"))
    return [expand(word, values) for word in command], [expand(word, values) for word in args]
