"""Roles, bindings, and what they add up to."""

import pytest

from labkit.sandbox.apiserver.authorization import Attributes, allows

RBAC = "rbac.authorization.k8s.io/v1"
REVIEWS = "authorization.k8s.io/v1"
JANE = {"Impersonate-User": "jane"}


def rule(verbs="get", resources="pods", groups="", names=None):
    result = {"verbs": [verbs], "resources": [resources], "apiGroups": [groups]}
    return result | ({"resourceNames": names} if names else {})


def get(resource="pods", **rest):
    return Attributes(verb="get", resource=resource, **rest)


@pytest.mark.parametrize(
    ("given", "asked", "allowed"),
    [
        (rule(), get(), True),
        (rule("list"), get(), False),
        (rule(groups="apps"), get(), False),
        (rule("*", "*", "*"), get(group="apps"), True),
        (rule(), get(subresource="log"), False),
        (rule(resources="pods/log"), get(subresource="log"), True),
        (rule(resources="pods/*"), get(subresource="log"), False),
        (rule(resources="*/log"), get(subresource="log"), True),
        (rule(names=["a"]), get(name="a"), True),
        (rule(names=["a"]), get(name="b"), False),
        ({"verbs": ["get"], "nonResourceURLs": ["/api/*"]}, Attributes(verb="get", path="/api/v1"), True),
        ({"verbs": ["get"], "nonResourceURLs": ["/api/*"]}, Attributes(verb="get", path="/metrics"), False),
    ],
    ids=[
        "as asked",
        "another verb",
        "another group",
        "everything",
        "a resource is not its subresources",
        "a subresource by name",
        "no wildcard of subresources",
        "a subresource of anything",
        "the name",
        "another name",
        "a path",
        "another path",
    ],
)
def test_a_rule_covers(given, asked, allowed):
    assert allows(given, asked) is allowed


def grant(ask, *rules, name="r"):
    ask("POST", "roles", {"metadata": {"name": name}, "rules": list(rules)}, group=RBAC)
    subject = {"kind": "User", "name": "jane", "apiGroup": "rbac.authorization.k8s.io"}
    reference = {"kind": "Role", "name": name, "apiGroup": "rbac.authorization.k8s.io"}
    body = {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}
    ask("POST", "rolebindings", body, group=RBAC)


def test_a_user_may_do_nothing_at_first(ask):
    answer = ask("GET", "pods", headers=JANE)
    why = f'User "jane" cannot list resource "pods" in API group "" in the namespace "{ask.namespace}"'
    assert (answer.code, answer.message) == (403, f"pods is forbidden: {why}")


def test_a_role_grants_in_its_namespace_alone(ask):
    grant(ask, rule("list"))
    assert ask("GET", "pods", headers=JANE).code == 200
    assert ask("GET", "namespaces/default/pods", headers=JANE, anywhere=True).code == 403


def test_a_missing_role_is_named(ask):
    grant(ask)
    ask("DELETE", "roles/r", group=RBAC)
    assert ask("GET", "pods", headers=JANE).message.endswith('RBAC: role.rbac.authorization.k8s.io "r" not found')


def test_an_access_review_names_the_binding(ask):
    grant(ask, rule())
    asked = {"namespace": ask.namespace, "verb": "get", "resource": "pods"}
    body = {"spec": {"user": "jane", "resourceAttributes": asked}}
    answer = ask("POST", "subjectaccessreviews", body, group=REVIEWS, anywhere=True)
    reason = f'RBAC: allowed by RoleBinding "r/{ask.namespace}" of Role "r" to User "jane"'
    assert answer.body["status"] == {"allowed": True, "reason": reason}


def test_nobody_grants_more_than_they_hold(ask):
    grant(ask, rule("create", "roles", "rbac.authorization.k8s.io"))
    more = {"metadata": {"name": "more"}, "rules": [rule("get", "secrets")]}
    answer = ask("POST", "roles", more, group=RBAC, headers=JANE)
    assert "is attempting to grant RBAC permissions not currently held" in answer.message
    assert answer.message.endswith('{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}')


@pytest.mark.parametrize("role", ["view", "edit", "admin", "cluster-admin"])
def test_the_usual_roles_are_there(ask, role):
    assert ask("GET", f"clusterroles/{role}", group=RBAC, anywhere=True).body["rules"]


def test_who_may_not_impersonate_is_told(ask):
    grant(ask, rule("list"))
    token = ask("POST", "serviceaccounts/default/token", {"spec": {}}).body["status"]["token"]
    answer = ask("GET", "pods", headers=JANE | {"Authorization": f"Bearer {token}"})
    assert "cannot impersonate-on:user-info:list" in answer.message


def test_an_impersonated_user_has_its_groups(ask):
    headers = JANE | {"Impersonate-Group": "dev"}
    answer = ask("POST", "selfsubjectreviews", {}, group="authentication.k8s.io/v1", headers=headers, anywhere=True)
    assert answer.body["status"]["userInfo"] == {"username": "jane", "groups": ["dev", "system:authenticated"]}
