"""The data files hold what the served kinds need."""

import pytest

from labkit.sandbox.apiserver.objects import protobuf, schemas, types

KINDS = [pytest.param(kind, id=f"{kind.api_version} {kind.kind}") for kind in schemas.served()]

JSON_ONLY = {"CustomResourceDefinition", "APIService", "VolumeAttributesClass"}
JSON_ONLY |= {"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"}
"""Kinds whose field numbers are not known; kubectl sends them as JSON, because it knows them as manifests only."""


def reachable(of: types.Type) -> list[types.Type]:
    result: dict[int, types.Type] = {}
    left = [of]
    while left:
        at = left.pop()
        if id(at.fields) in result and at.kind == "struct":
            continue
        result[id(at.fields)] = at
        left += [*at.fields.values(), *([at.items] if at.items else [])]
    return list(result.values())


@pytest.mark.parametrize("kind", KINDS)
def test_every_served_kind_has_a_schema(kind: schemas.Kind) -> None:
    schema = schemas.builtin(kind.api_version, kind.kind)
    assert schema is not None
    assert schema.namespaced == kind.namespaced
    assert "metadata" in schema.type.fields or kind.kind == "Binding"


@pytest.mark.parametrize("kind", KINDS)
def test_every_struct_tells_which_fields_are_pointers(kind: schemas.Kind) -> None:
    schema = schemas.builtin(kind.api_version, kind.kind)
    assert schema is not None
    structs = [of for of in reachable(schema.type) if of.kind == "struct" and of.raw.get("properties")]
    assert all("x-go" in of.raw for of in structs)


@pytest.mark.parametrize("kind", [k for k in KINDS if k.values[0].kind not in JSON_ONLY])
def test_every_served_kind_has_field_numbers(kind: schemas.Kind) -> None:
    definition = schemas.definition_of(kind.api_version, kind.kind) or ""
    assert "k8s.io." + definition.removeprefix("io.k8s.") in protobuf._messages()


def test_definitions_carry_no_prose() -> None:
    text = str(schemas.definitions())
    assert "'description': '" not in text
    assert "x-go" not in text
