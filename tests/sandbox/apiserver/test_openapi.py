"""The documents that tell clients what the server can do."""

import json

import pytest


@pytest.fixture
def document(plane):
    def document(path):
        _, _, data = plane.client.raw("GET", f"/openapi/v3/{path}")
        return json.loads(data)

    return document


def test_the_index_changes_with_what_is_served(plane, document, ask):
    before = document("")["paths"].keys()
    group = f"{ask.namespace}.example.com"
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
    names = {"plural": "widgets", "kind": "Widget"}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}
    crds = "apiextensions.k8s.io/v1"
    body = {"metadata": {"name": f"widgets.{group}"}, "spec": spec}
    ask("POST", "customresourcedefinitions", body, group=crds, anywhere=True)
    ask.until("widgets", lambda obj: obj.get("kind") == "WidgetList", group=f"{group}/v1")
    assert document("")["paths"].keys() - before == {f"apis/{group}/v1"}


def test_a_patch_says_that_it_validates_fields(document):
    paths = document("apis/apps/v1")["paths"]
    patch = paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert "fieldValidation" in {parameter["name"] for parameter in patch["parameters"]}


def test_fields_are_explained(document):
    schemas = document("apis/apps/v1")["components"]["schemas"]
    replicas = schemas["io.k8s.api.apps.v1.DeploymentSpec"]["properties"]["replicas"]
    assert replicas["description"].startswith("Number of desired pods.")


def test_version_2_says_nothing_in_the_form_that_kubectl_reads(plane):
    accept = {"Accept": "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"}
    code, headers, data = plane.client.raw("GET", "/openapi/v2", headers=accept)
    assert (code, data) == (200, b"\n\x032.0")
    assert "@" not in dict(headers)["Content-Type"]
