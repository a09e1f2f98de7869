"""ValidatingAdmissionPolicies answer as a real server's do; each case holds what kube-apiserver 1.36 said."""

import json
from pathlib import Path

import pytest

from tests.sandbox.apiserver.conftest import Ask

GROUP = "admissionregistration.k8s.io/v1"
POLICY, BINDING = "validatingadmissionpolicies", "validatingadmissionpolicybindings"
CASES = [json.loads(line) for line in Path(__file__).with_name("admission_policies.jsonl").read_text().splitlines()]

CONFIG_MAP = {"metadata": {"name": "vap", "labels": {"app": "x"}}, "data": {"a": "2"}}
PARAMETERS = {"pp": "3", "qq": "4"}


@pytest.fixture(scope="module")
def default(plane):
    """The namespace of the recordings, with two objects that are parameters."""
    ask = Ask(plane.client, "default")
    for name, value in PARAMETERS.items():
        ask("POST", "configmaps", {"metadata": {"name": name, "labels": {"is": "param"}}, "data": {"want": value}})
    yield ask
    for name in PARAMETERS:
        ask("DELETE", f"configmaps/{name}")


@pytest.fixture
def put(default):
    def put(plural, name, spec):
        return default("POST", plural, {"metadata": {"name": name}, "spec": spec}, group=GROUP, anywhere=True)

    yield put
    for path in (f"{POLICY}/p", f"{BINDING}/b"):
        default("DELETE", path, group=GROUP, anywhere=True)


def shown(answer):
    if answer.code < 400:
        warning = {key.lower(): value for key, value in answer.headers.items()}.get("warning")
        return {"code": answer.code} | ({"warning": warning} if warning else {})
    return {"code": answer.code, **{key: answer.body[key] for key in ("reason", "message", "details")}}


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_a_policy_answers_as_a_real_server_does(default, put, case):
    answers = {
        "policy": shown(put(POLICY, "p", case["policy"])),
        "binding": shown(put(BINDING, "b", case["binding"])),
        "object": shown(default("POST", "configmaps", CONFIG_MAP, query="dryRun=All")),
    }
    expected = {"policy": {"code": 201}, "binding": {"code": 201}} | case.get("answers", {})
    assert {part: answers[part] for part in expected} == expected


def test_a_policy_holds_for_deletions_and_speaks_of_the_old_object(default, put):
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"], "resources": ["configmaps"]}
    validation = {"expression": "object == null && oldObject.data.want == '4'", "message": "it is still asked for"}
    put(POLICY, "p", {"matchConstraints": {"resourceRules": [rule]}, "validations": [validation]})
    put(BINDING, "b", {"policyName": "p", "validationActions": ["Deny"]})
    refusal = default("DELETE", "configmaps/pp", query="dryRun=All").message
    assert refusal.endswith("denied request: it is still asked for")
    assert default("DELETE", "configmaps/qq", query="dryRun=All").code == 200


def test_a_policy_about_everything_does_not_stand_in_its_own_way(default, put):
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}
    put(POLICY, "p", {"matchConstraints": {"resourceRules": [rule]}, "validations": [{"expression": "false"}]})
    put(BINDING, "b", {"policyName": "p", "validationActions": ["Deny"]})
    assert default("DELETE", f"{BINDING}/b", group=GROUP, anywhere=True).code == 200
