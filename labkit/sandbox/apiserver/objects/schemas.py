"""Schemas of kinds, built-in and custom."""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import kinds, types
from labkit.sandbox.apiserver.objects.kinds import Kind, served

__all__ = ["Kind", "Schema", "builtin", "definitions", "from_crd", "served"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Schema:
    """What objects of one kind in one version look like."""

    api_version: str
    """``apps/v1``."""

    kind: str
    """``Deployment``."""

    plural: str
    """``deployments``; empty for kinds that are only ever bodies, such as DeleteOptions."""

    namespaced: bool
    """Whether its objects live in namespaces."""

    type: types.Type
    """The compiled form of its fields."""

    definition: str = ""
    """The name of its OpenAPI component: ``io.k8s.api.apps.v1.Deployment``."""

    custom: Mapping[str, Any] | None = None
    """The entry of ``spec.versions`` of its CRD; None for a built-in kind."""

    subresources: tuple[str, ...] = ()
    """``("scale", "status")``."""

    @property
    def group(self) -> str:
        """``apps``; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """``v1``."""
        return self.api_version.rpartition("/")[2]

    def __repr__(self) -> str:
        return f"Schema({self.api_version} {self.kind})"


@cache
def definitions() -> Mapping[str, Object]:
    """The OpenAPI components of all built-in kinds, by name, without descriptions."""
    return {name: {k: v for k, v in component.items() if k != "x-go"} for name, component in _facts().items()}


@cache
def _facts() -> Mapping[str, Object]:
    """The components, and what OpenAPI does not tell of their Go types in ``x-go``."""
    file = resources.files(__package__).joinpath("data/definitions.json.gz")
    facts: dict[str, Object] = json.loads(gzip.decompress(file.read_bytes()))
    return facts


@cache
def builtin(api_version: str, kind: str) -> Schema | None:
    """The schema of a built-in kind, or None; includes bodies such as ``v1 DeleteOptions``."""
    name = _names().get((api_version, kind))
    if name is None:
        return None
    entry = kinds.by_kind().get((api_version, kind))
    return Schema(
        api_version=api_version,
        kind=kind,
        plural=entry.plural if entry else "",
        namespaced=bool(entry and entry.namespaced),
        type=_builder().named(name),
        definition=name,
        subresources=entry.subresources if entry else (),
    )


def from_crd(crd: Object, version: str) -> Schema:
    """The schema of one version of a CustomResourceDefinition; build it once a change of the CRD."""
    spec = crd["spec"]
    entry = next(v for v in spec["versions"] if v["name"] == version)
    schema = entry.get("schema", {}).get("openAPIV3Schema") or {"type": "object"}
    built = types.Builder({}).of(schema)
    for name in ("apiVersion", "kind"):
        built.fields.setdefault(name, types.Type(kind="string", go="string"))
    built.fields["metadata"] = _builder().named("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")
    return Schema(
        api_version=f"{spec['group']}/{version}",
        kind=spec["names"]["kind"],
        plural=spec["names"]["plural"],
        namespaced=spec["scope"] == "Namespaced",
        type=built,
        custom=entry,
        subresources=tuple(sorted(entry.get("subresources") or ())),
    )


def type_of(definition: str) -> types.Type | None:
    """The compiled form of one component, or None."""
    return _builder().named(definition) if definition in _facts() else None


def definition_of(api_version: str, kind: str) -> str | None:
    """The name of a built-in kind's OpenAPI component."""
    return _names().get((api_version, kind))


@cache
def _builder() -> types.Builder:
    return types.Builder(_facts())


@cache
def _names() -> Mapping[tuple[str, str], str]:
    components: dict[tuple[str, str], str] = {}
    for name, schema in _facts().items():
        for mark in schema.get("x-kubernetes-group-version-kind", ()):
            api_version = f"{mark['group']}/{mark['version']}" if mark["group"] else mark["version"]
            components.setdefault((api_version, mark["kind"]), name)
    return components
