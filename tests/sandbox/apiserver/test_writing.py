"""What a write stores, and what it refuses."""

import pytest

MERGE = {"Content-Type": "application/merge-patch+json"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}


def config_map(name="c", **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_a_new_object_has_an_identity(ask):
    metadata = ask("POST", "configmaps", config_map(a="1")).body["metadata"]
    assert {"uid", "resourceVersion", "creationTimestamp"} <= metadata.keys()


def test_a_name_is_taken_once(ask):
    ask("POST", "configmaps", config_map())
    assert ask("POST", "configmaps", config_map()).message == 'configmaps "c" already exists'


def test_generated_names_begin_as_asked(ask):
    body = {"metadata": {"generateName": "job-"}}
    names = {ask("POST", "configmaps", body).body["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("job-") and len(name) == 9 for name in names)


def test_a_dry_run_stores_nothing(ask):
    assert ask("POST", "configmaps", config_map(), query="dryRun=All").code == 201
    assert ask("GET", "configmaps/c").code == 404


def test_an_old_resource_version_is_a_conflict(ask):
    old = ask("POST", "configmaps", config_map(a="1")).body
    ask("PATCH", "configmaps/c", {"data": {"a": "2"}}, headers=MERGE)
    answer = ask("PUT", "configmaps/c", old)
    assert (answer.code, answer.body["reason"]) == (409, "Conflict")


@pytest.mark.parametrize(
    "change", [{"data": {"a": "1"}}, {}, {"metadata": {"labels": None}}], ids=["same value", "nothing", "null"]
)
def test_a_patch_that_changes_nothing_keeps_the_version(ask, change):
    before = ask("POST", "configmaps", config_map(a="1")).body
    after = ask("PATCH", "configmaps/c", change, headers=MERGE).body
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


def test_an_unknown_field_is_a_warning_or_with_strict_a_refusal(ask):
    wrong = config_map() | {"dta": {}}
    assert "unknown field" in ask("POST", "configmaps", wrong).headers["Warning"]
    assert ask("POST", "configmaps", wrong, query="fieldValidation=Strict").code == 400


def test_an_apply_conflicts_with_another_manager_unless_forced(ask):
    ask("PATCH", "configmaps/c", config_map(a="1"), headers=APPLY, query="fieldManager=alice")
    refused = ask("PATCH", "configmaps/c", config_map(a="2"), headers=APPLY, query="fieldManager=bob")
    assert refused.message == 'Apply failed with 1 conflict: conflict with "alice": .data.a'
    query = "fieldManager=bob&force=true"
    assert ask("PATCH", "configmaps/c", config_map(a="2"), headers=APPLY, query=query).body["data"] == {"a": "2"}


def test_nothing_is_created_in_a_namespace_that_is_not_there(ask):
    answer = ask("POST", "namespaces/nope/configmaps", config_map(), anywhere=True)
    assert answer.message == 'namespaces "nope" not found'


def test_a_patch_of_an_unknown_type_is_415(ask):
    answer = ask("PATCH", "configmaps/c", {}, headers={"Content-Type": "application/cbor"})
    assert answer.code == 415


def test_a_warning_also_comes_with_a_refusal(ask):
    answer = ask("GET", "endpoints/nope")
    assert answer.code == 404
    assert "deprecated" in answer.headers["Warning"]


def test_a_pod_gets_its_token_and_its_tolerations(ask):
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
    spec = ask("POST", "pods", pod).body["spec"]
    assert spec["volumes"][0]["name"].startswith("kube-api-access-")
    assert [t["tolerationSeconds"] for t in spec["tolerations"]] == [300, 300]


def test_a_warning_never_carries_control_characters_and_never_grows_without_end(ask):
    obj = {"metadata": {"name": "a"}, "b\x00c": 1, "d\ne": 1, "fine": 1}
    assert ask("POST", "configmaps", obj).headers["Warning"] == '299 - "unknown field \\"fine\\""'
    many = ask("POST", "configmaps", {"metadata": {"name": "b"}, **{"x" * 400 + str(n): 1 for n in range(200)}})
    assert (many.code, len(many.headers["Warning"]) < 5000) == (201, True)
