"""The official Python client checks every answer against its models, and takes ours."""

import inspect

import kubernetes
import pytest
from kubernetes import client, config

LABELS = {"app": "web"}
TEMPLATE = {
    "metadata": {"labels": LABELS},
    "spec": {"containers": [{"name": "c", "image": "a:1"}], "schedulerName": "nobody"},
}
WORKLOAD = {"selector": {"matchLabels": LABELS}, "template": TEMPLATE}
ONE = {"metadata": {"name": "one"}}
OBJECTS = (
    ("pods", "v1", ONE | {"spec": TEMPLATE["spec"]}),
    ("services", "v1", ONE | {"spec": {"selector": LABELS, "ports": [{"port": 80}]}}),
    ("secrets", "v1", ONE | {"stringData": {"a": "b"}}),
    (
        "persistentvolumeclaims",
        "v1",
        ONE | {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}},
    ),
    ("deployments", "apps/v1", ONE | {"spec": WORKLOAD}),
    ("statefulsets", "apps/v1", ONE | {"spec": WORKLOAD | {"serviceName": "web"}}),
    ("daemonsets", "apps/v1", ONE | {"spec": WORKLOAD}),
    (
        "horizontalpodautoscalers",
        "autoscaling/v2",
        ONE
        | {
            "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "one"}}
        },
    ),
    ("poddisruptionbudgets", "policy/v1", ONE | {"spec": {"minAvailable": 1}}),
    ("networkpolicies", "networking.k8s.io/v1", ONE | {"spec": {"podSelector": {}}}),
    ("leases", "coordination.k8s.io/v1", ONE | {"spec": {"holderIdentity": "me"}}),
)
"""An object of many kinds: ``(plural, group version, body)``."""

APIS = tuple(
    name
    for name in dir(client)
    # The model of events.k8s.io refuses a null eventTime, which a real server sends too.
    if name.endswith(("V1Api", "V2Api")) and name != "EventsV1Api"
)


@pytest.fixture(scope="module")
def connected(plane):
    client_of_lab = config.new_client_from_config(str(plane.kubeconfig))
    yield client_of_lab
    client_of_lab.close()


def lists_of(api):
    """The methods that list everything of a kind."""
    for name, method in inspect.getmembers(api, inspect.ismethod):
        whole = name.startswith("list_") and not name.endswith("_with_http_info") and "namespaced" not in name
        if whole and all(
            p.default is not p.empty or p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
            for p in inspect.signature(method).parameters.values()
        ):
            yield method


def test_every_list_is_taken(ask, connected):
    for plural, group, body in OBJECTS:
        assert ask("POST", plural, body, group=group).code == 201, plural
    taken = set()
    for name in APIS:
        for method in lists_of(getattr(client, name)(connected)):
            try:
                taken.add(method().kind)
            except kubernetes.client.ApiException as e:
                # Kinds that are not served.
                assert e.status == 404, method
    assert {"PodList", "DeploymentList", "NodeList", "EventList", "ClusterRoleList"} <= taken


def test_what_a_deletion_answers_is_taken(ask, connected):
    for plural, group, body in OBJECTS:
        ask("POST", plural, body, group=group)
    core, apps = client.CoreV1Api(connected), client.AppsV1Api(connected)
    assert core.delete_namespaced_service("one", ask.namespace).kind == "Service"
    assert core.delete_namespaced_pod("one", ask.namespace).kind == "Pod"
    assert core.delete_namespaced_secret("one", ask.namespace)["status"] == "Success"
    assert apps.delete_namespaced_deployment("one", ask.namespace)["status"] == "Success"


def test_a_scale_and_a_token_are_taken(ask, connected):
    ask("POST", "deployments", ONE | {"spec": WORKLOAD}, group="apps/v1")
    scale = client.AppsV1Api(connected).patch_namespaced_deployment_scale(
        "one", ask.namespace, {"spec": {"replicas": 2}}
    )
    assert scale.spec.replicas == 2
    request = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=["me"]))
    token = client.CoreV1Api(connected).create_namespaced_service_account_token("default", ask.namespace, request)
    assert token.status.token.count(".") == 2
