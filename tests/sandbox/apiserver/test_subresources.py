"""Paths below objects."""

import pytest

MERGE = {"Content-Type": "application/merge-patch+json"}
APPS = "apps/v1"
TEMPLATE = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "c", "image": "x"}], "schedulerName": "nobody"},
}
RUNNING = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}


def deployment(replicas):
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}
    return {"metadata": {"name": "web"}, "spec": spec}


@pytest.fixture
def pod(ask):
    return ask("POST", "pods", {**TEMPLATE, "metadata": {"name": "p", "labels": {"app": "web"}}}).body


def test_a_pod_is_bound_once(ask, pod):
    to = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "somewhere"}}
    assert ask("POST", "pods/p/binding", to).body["status"] == "Success"
    assert ask("GET", "pods/p").body["spec"]["nodeName"] == "somewhere"
    assert ask("POST", "pods/p/binding", to).message.endswith('pod p is already assigned to node "somewhere"')


def test_a_scale_is_read_and_written(ask):
    ask("POST", "deployments", deployment(0), group=APPS)
    ask("PATCH", "deployments/web/scale", {"spec": {"replicas": 2}}, group=APPS, headers=MERGE)
    scale = ask("GET", "deployments/web/scale", group=APPS).body
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == ("Scale", {"replicas": 2}, "app=web")
    assert ask("GET", "deployments/web", group=APPS).body["spec"]["replicas"] == 2


def test_a_scale_is_not_negative(ask):
    ask("POST", "deployments", deployment(0), group=APPS)
    answer = ask("PATCH", "deployments/web/scale", {"spec": {"replicas": -1}}, group=APPS, headers=MERGE)
    assert "spec.replicas: Invalid value: -1: must be greater than or equal to 0" in answer.message


def test_scaling_belongs_to_whom_did_it(ask):
    ask("POST", "deployments", deployment(0), group=APPS)
    ask("PATCH", "deployments/web/scale", {"spec": {"replicas": 2}}, group=APPS, headers=MERGE, query="fieldManager=me")
    entries = ask("GET", "deployments/web", group=APPS).body["metadata"]["managedFields"]
    mine = next(entry for entry in entries if entry["manager"] == "me")
    assert (mine["subresource"], mine["fieldsV1"]) == ("scale", {"f:spec": {"f:replicas": {}}})


def test_an_eviction_deletes(ask, pod):
    assert ask("POST", "pods/p/eviction", {"metadata": {"name": "p"}}).code == 201
    assert ask("GET", "pods/p").code == 404


def test_a_budget_forbids_an_eviction(ask, pod):
    ask("PATCH", "pods/p/status", RUNNING, headers=MERGE)
    budget = {"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}}
    ask("POST", "poddisruptionbudgets", budget, group="policy/v1")
    ask.until("poddisruptionbudgets/b", lambda body: body["status"].get("currentHealthy"), group="policy/v1")
    answer = ask("POST", "pods/p/eviction", {"metadata": {"name": "p"}})
    assert (answer.code, answer.message) == (429, "Cannot evict pod as it would violate the pod's disruption budget.")


def test_a_token_is_its_accounts_until_that_is_gone(ask):
    ask("POST", "serviceaccounts", {"metadata": {"name": "bot"}})
    token = ask("POST", "serviceaccounts/bot/token", {"spec": {}}).body["status"]["token"]
    bot = {"Authorization": f"Bearer {token}"}
    assert ask("GET", "pods", headers=bot).code == 403
    ask("DELETE", "serviceaccounts/bot")
    assert ask("GET", "pods", headers=bot).code == 401


def test_a_token_review_tells_for_whom_a_token_is(ask):
    spec = {"audiences": ["istio-ca"]}
    token = ask("POST", "serviceaccounts/default/token", {"spec": spec}).body["status"]["token"]

    def review(audience):
        body = {"spec": {"token": token, "audiences": [audience]}}
        return ask("POST", "tokenreviews", body, group="authentication.k8s.io/v1", anywhere=True).body["status"]

    assert review("istio-ca")["user"]["username"] == f"system:serviceaccount:{ask.namespace}:default"
    assert "authenticated" not in review("another")


def test_what_no_kubelet_of_ours_does_is_refused(ask, pod):
    answer = ask("PATCH", "pods/p/resize", {}, headers=MERGE)
    assert answer.message.startswith("the sandbox does not change the resize of a running pod; ")


STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}
DEBUGGER = {"name": "debugger", "image": "busybox"}


def debug(ask, **fields):
    body = {"spec": {"ephemeralContainers": [{**DEBUGGER, **fields}]}}
    return ask("PATCH", "pods/p/ephemeralcontainers", body, headers=STRATEGIC)


def test_ephemeral_containers_are_added_and_nothing_else(ask, pod):
    body = {"spec": {"ephemeralContainers": [DEBUGGER], "restartPolicy": "Never"}}
    answer = ask("PATCH", "pods/p/ephemeralcontainers", body, headers=STRATEGIC)
    assert answer.code == 200
    assert answer.body["spec"]["ephemeralContainers"][0]["terminationMessagePath"] == "/dev/termination-log"
    assert answer.body["spec"]["restartPolicy"] == "Always"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"image": "alpine"}, 'existing ephemeral containers "debugger" may not be changed'),
        ({"name": "c"}, "Duplicate value"),
        ({"name": "other", "ports": [{"containerPort": 1}]}, "cannot be set for an Ephemeral Container"),
        ({"name": "other", "targetContainerName": "nobody"}, "Not found"),
        ({"name": "Other"}, "RFC 1123"),
    ],
    ids=["changed", "taken", "with ports", "beside nobody", "misnamed"],
)
def test_an_ephemeral_container_is_refused_as_by_a_real_server(ask, pod, fields, why):
    assert debug(ask).code == 200
    answer = debug(ask, **fields)
    assert (answer.code, why in answer.message) == (422, True), answer.message


@pytest.mark.parametrize("path", ["pods/p/nope", "pods/nope/log"])
def test_what_is_not_there_is_404(ask, pod, path):
    assert ask("GET", path).code == 404


def test_the_status_is_written_by_itself(ask, pod):
    ask("PATCH", "pods/p", {"status": {"phase": "Failed"}}, headers=MERGE)
    assert ask("GET", "pods/p").body["status"]["phase"] == "Pending"
    ask("PATCH", "pods/p/status", RUNNING, headers=MERGE)
    assert ask("GET", "pods/p").body["status"]["phase"] == "Running"
