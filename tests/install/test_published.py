"""Our definitions beside those that Istio publishes: the same fields, types, words and bounds."""

import gzip
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from labkit.install import types

FILE = Path(__file__).parents[3] / "shared" / "data" / "istio-crds.json.gz"
Schema = dict[str, Any]
COMPARED = (
    "type", "enum", "minimum", "maximum", "minLength", "maxLength", "pattern", "format", "minItems", "maxItems",
    "minProperties", "maxProperties", "nullable", "default", "x-kubernetes-list-type", "x-kubernetes-list-map-keys",
    "x-kubernetes-preserve-unknown-fields", "oneOf", "allOf",
)  # fmt: skip
KINDS = sorted(crd["metadata"]["name"] for crd in types.crds() if "istio.io" in crd["metadata"]["name"])


@cache
def published() -> dict[str, Schema]:
    if not FILE.exists():
        pytest.skip("no published definitions beside this checkout (../shared/data/istio-crds.json.gz)")
    return {crd["metadata"]["name"]: crd for crd in json.loads(gzip.decompress(FILE.read_bytes()))}


def spec_of(crd: Schema, version: str) -> Schema:
    one = next(v for v in crd["spec"]["versions"] if v["name"] == version)
    schema: Schema = one["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return schema


def differences(theirs: Schema, ours: Schema, path: str) -> Iterator[str]:
    for key in COMPARED:
        if theirs.get(key) != ours.get(key):
            yield f"{path}: {key} is {theirs.get(key)}, ours {ours.get(key)}"
    if set(theirs.get("required", ())) != set(ours.get("required", ())):
        yield f"{path}: required {theirs.get('required')}, ours {ours.get('required')}"
    a, b = theirs.get("properties") or {}, ours.get("properties") or {}
    yield from (f"{path}.{name}: only in {'theirs' if name in a else 'ours'}" for name in sorted(set(a) ^ set(b)))
    for name in sorted(set(a) & set(b)):
        yield from differences(a[name], b[name], f"{path}.{name}")
    for word in ("items", "additionalProperties"):
        if isinstance(theirs.get(word), dict):
            yield from differences(theirs[word], ours.get(word) or {}, f"{path}[]")


@pytest.mark.parametrize("name", KINDS)
def test_fields_are_the_published_ones(name: str) -> None:
    theirs = published()[name]
    ours = next(crd for crd in types.crds() if crd["metadata"]["name"] == name)
    version = next(v["name"] for v in ours["spec"]["versions"] if v["storage"])
    assert list(differences(spec_of(theirs, version), spec_of(ours, version), "spec")) == []


@pytest.mark.parametrize("name", KINDS)
def test_names_and_columns_are_the_published_ones(name: str) -> None:
    theirs = published()[name]["spec"]
    ours = next(crd for crd in types.crds() if crd["metadata"]["name"] == name)["spec"]
    assert ours["names"] == theirs["names"]
    assert ours["scope"] == theirs["scope"]
    assert {v["name"] for v in ours["versions"]} == {v["name"] for v in theirs["versions"]}
    assert columns(ours) == columns(theirs)


def columns(spec: Schema) -> list[tuple[str, str, str]]:
    text = spec["versions"][0].get("additionalPrinterColumns") or []
    return [(c["name"], c["type"], c["jsonPath"]) for c in text]
