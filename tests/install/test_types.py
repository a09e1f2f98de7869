"""Our definitions of Istio's and the Gateway API's kinds."""

import pytest

from labkit.install import schemas, types
from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import schemas as server
from labkit.sandbox.apiserver.objects import validation

CRDS = types.crds()


@pytest.mark.parametrize("crd", CRDS, ids=lambda crd: crd["metadata"]["name"])
def test_a_definition_is_one_that_an_api_server_takes(crd: Object) -> None:
    schema = server.builtin("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    assert schema is not None
    # The server itself notes which versions it has stored.
    stored = {"storedVersions": [crd["spec"]["versions"][0]["name"]]}
    assert validation.validate(schema, {**crd, "status": stored}) == []


def test_there_is_one_stored_version_of_each() -> None:
    assert all(sum(v["storage"] for v in crd["spec"]["versions"]) == 1 for crd in CRDS)


def test_a_required_field_and_a_default_are_read_from_the_notation() -> None:
    schema = schemas.schema_of("gateway-api", "Backend")
    assert schema["required"] == ["name"]
    assert schema["properties"]["kind"]["default"] == "Service"
    assert schema["properties"]["group"]["default"] == ""


def test_exclusive_fields_are_a_one_of() -> None:
    schema = schemas.schema_of("istio", "Match")
    assert [option.get("required") for option in schema["oneOf"]] == [None, ["exact"], ["prefix"], ["regex"]]


def test_a_kind_of_the_gateway_api_waits_for_its_controller() -> None:
    gateway = next(c for c in CRDS if c["metadata"]["name"] == "gateways.gateway.networking.k8s.io")
    status = gateway["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    assert [c["type"] for c in status["default"]["conditions"]] == ["Accepted", "Programmed"]
