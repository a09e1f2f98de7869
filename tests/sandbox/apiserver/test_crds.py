"""Definitions make kinds."""

import pytest

CRDS = "apiextensions.k8s.io/v1"
MERGE = {"Content-Type": "application/merge-patch+json"}


def definition(group, plural="widgets", kind="Widget", *, properties=None, **version):
    spec = {"type": "object", "properties": properties or {"n": {"type": "integer"}}}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    versions = [{"name": "v1", "served": True, "storage": True, "schema": schema, **version}]
    names = {"plural": plural, "kind": kind}
    return {
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": versions},
    }


@pytest.fixture
def group(ask):
    return f"{ask.namespace}.example.com"


@pytest.fixture
def define(ask, group):
    """Make a definition and wait for its names to be judged."""

    def define(*args, **how):
        created = ask(
            "POST", "customresourcedefinitions", definition(group, *args, **how), group=CRDS, anywhere=True
        ).body
        path = f"customresourcedefinitions/{created['metadata']['name']}"
        return ask.until(path, lambda body: body["status"]["conditions"], group=CRDS, anywhere=True)

    return define


def test_a_kind_is_served_as_soon_as_it_is_defined(ask, define, group):
    assert [c["status"] for c in define()["status"]["conditions"]] == ["True", "True"]
    ask("POST", "widgets", {"metadata": {"name": "w"}, "spec": {"n": 1}}, group=f"{group}/v1")
    assert ask("GET", "widgets/w", group=f"{group}/v1").body["spec"] == {"n": 1}


def test_its_schema_prunes_and_judges(ask, define, group):
    define()
    pruned = ask("POST", "widgets", {"metadata": {"name": "w"}, "spec": {"m": 1}}, group=f"{group}/v1")
    assert pruned.body["spec"] == {}
    wrong = ask("POST", "widgets", {"metadata": {"name": "x"}, "spec": {"n": "1"}}, group=f"{group}/v1")
    assert 'spec.n: Invalid value: "string": spec.n in body must be of type integer' in wrong.message


def test_a_name_that_is_taken_is_not_accepted(define):
    define()
    status = define("others", "Widget")["status"]
    assert [(c["status"], c["reason"]) for c in status["conditions"]] == [
        ("False", "ListKindConflict"),
        ("False", "NotAccepted"),
    ]


def test_a_later_default_shows_in_what_was_stored_before(ask, define, group):
    name = define()["metadata"]["name"]
    ask("POST", "widgets", {"metadata": {"name": "w"}, "spec": {}}, group=f"{group}/v1")
    new = definition(group, properties={"n": {"type": "integer", "default": 7}})["spec"]
    ask("PATCH", f"customresourcedefinitions/{name}", {"spec": new}, group=CRDS, headers=MERGE, anywhere=True)
    assert ask("GET", "widgets/w", group=f"{group}/v1").body["spec"] == {"n": 7}


def test_a_deprecated_version_warns(ask, define, group):
    define(deprecated=True, deprecationWarning="use something else")
    assert ask("GET", "widgets", group=f"{group}/v1").headers["Warning"] == '299 - "use something else"'


def test_a_definition_goes_after_its_objects(ask, define, group):
    name = define()["metadata"]["name"]
    held = {"metadata": {"name": "w", "finalizers": ["example.com/f"]}}
    ask("POST", "widgets", held, group=f"{group}/v1")
    ask("DELETE", f"customresourcedefinitions/{name}", group=CRDS, anywhere=True)
    late = ask("POST", "widgets", {"metadata": {"name": "late"}}, group=f"{group}/v1")
    assert "create not allowed while custom resource definition is terminating" in late.message
    ask("PATCH", "widgets/w", {"metadata": {"finalizers": None}}, group=f"{group}/v1", headers=MERGE)
    ask.until(f"customresourcedefinitions/{name}", lambda body: body.get("code") == 404, group=CRDS, anywhere=True)


ROLLOUT = {
    "type": "object",
    "required": ["replicas"],
    "properties": {"replicas": {"type": "integer", "minimum": 1}, "min": {"type": "integer"}},
    "x-kubernetes-validations": [
        {"rule": "self.replicas <= 5", "message": "too many"},
        {"rule": "!has(oldSelf.min) || self.min == oldSelf.min", "message": "min is immutable"},
    ],
}


def rollouts(rules=ROLLOUT):
    return {"schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": rules}}}}


def test_rules_of_a_definition_judge_writes_and_changes(ask, define, group):
    define("rollouts", "Rollout", **rollouts())
    ask("POST", "rollouts", {"metadata": {"name": "web"}, "spec": {"replicas": 3, "min": 1}}, group=f"{group}/v1")

    def told(spec):
        return ask("PATCH", "rollouts/web", {"spec": spec}, group=f"{group}/v1", headers=MERGE).message

    assert told({"replicas": 9}) == f'Rollout.{group} "web" is invalid: spec: Invalid value: too many'
    assert told({"min": 2}) == f'Rollout.{group} "web" is invalid: spec: Invalid value: min is immutable'
    assert told({"replicas": 4}) == ""


def test_a_definition_whose_rule_is_no_cel_is_refused(ask, group):
    rules = ROLLOUT | {"x-kubernetes-validations": [{"rule": "self.nosuch <<< 5"}]}
    crd = definition(group, "rollouts", "Rollout", **rollouts(rules))
    refused = ask("POST", "customresourcedefinitions", crd, group=CRDS, anywhere=True)
    assert (refused.code, "compilation failed: ERROR: <input>:1:14: Syntax error" in refused.message) == (422, True)
