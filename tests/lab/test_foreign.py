"""A cluster that others use too: what the kit did not make is neither changed nor taken away."""

import json

import pytest
import yaml

from labkit import cli
from labkit.base import errors, settings
from labkit.clusters import cluster
from labkit.install import (
    addons,
    ambient,
    bookinfo,
    dataplane,
    gateway,
    injection,
    kinds,
    ownership,
    presence,
    pruning,
    rights,
)
from labkit.kube import marks, resources
from labkit.lab import Lab
from tests.kubectl import Kubectl

pytestmark = pytest.mark.sandbox

SHOP = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"team": "anna"}}}
RULE = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "VirtualService",
    "metadata": {"name": "reviews", "namespace": "default", "labels": {"team": "anna"}},
    "spec": {"hosts": ["reviews"], "http": [{"timeout": "77s", "route": [{"destination": {"host": "reviews"}}]}]},
}


PLAIN = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: plain, namespace: guests}
spec:
  selector: {matchLabels: {app: plain}}
  template:
    metadata: {labels: {app: plain}}
    spec: {containers: [{name: main, image: "curlimages/curl:8.16.0", command: [sleep, infinity]}]}
"""


@pytest.fixture
def annas(guest, sandbox):
    """A rule and a namespace that somebody else has made."""
    api = sandbox.client
    api.create(resources.NAMESPACES, SHOP)
    api.create(resources.VIRTUAL_SERVICES, RULE)
    yield api
    for resource, name, place in (
        (resources.VIRTUAL_SERVICES, "reviews", "default"),
        (resources.NAMESPACES, "shop", None),
    ):
        api.delete(resource, name, place)


@pytest.fixture
def own_bookinfo(guest, sandbox):
    """Bookinfo and its gateway as a learner applied them: no label of the kit's, and a change of their own."""
    api = sandbox.client
    listed = [
        (resources.DEPLOYMENTS, "reviews-v1"),
        (resources.SERVICES, "reviews"),
        (resources.GATEWAYS, "bookinfo-gateway"),
        (resources.VIRTUAL_SERVICES, "bookinfo"),
    ]
    for resource, name in listed:
        labels = {"metadata": {"labels": {marks.LABEL: None, "team": "anna"}, "annotations": {"mine": "yes"}}}
        api.patch(resource, name, "default", labels)
    before = {name: _what(api.get(resource, name, "default")) for resource, name in listed}
    yield lambda: (before, {name: _what(api.get(resource, name, "default")) for resource, name in listed})
    for resource, name in listed:
        api.patch(resource, name, "default", {"metadata": {"labels": {marks.LABEL: marks.OWNER, "team": None}}})


def _what(obj):
    return {"spec": obj["spec"], "labels": obj["metadata"]["labels"], "uid": obj["metadata"]["uid"]}


def test_it_is_not_the_kits_alone(guest):
    assert not guest.can("owned")
    assert "sandbox" not in repr(guest)


def test_bookinfo_of_a_learners_own_is_used_as_it_is(guest, own_bookinfo):
    steps = []
    bookinfo.deploy(guest.api, "default", on_step=steps.append)
    address = gateway.expose(guest.api, "default", on_step=steps.append)
    guest.goto("03"), guest.goto("05")
    before, after = own_bookinfo()
    assert before == after
    assert gateway.answers(f"{address}/productpage")
    left = [step for step in steps if "left alone, since the kit did not make it" in step]
    assert "Deployment default/reviews-v1" in left[0] and "Gateway default/bookinfo-gateway" in left[1]


def test_a_lesson_goes_round_a_rule_of_somebody_elses_and_says_so(guest, annas):
    (note,) = [d for d in guest.goto("07").details if "VirtualService default/reviews" in d]
    assert "left alone" in note and "it may change what you see" in note
    assert annas.get(resources.VIRTUAL_SERVICES, "reviews", "default")["spec"] == RULE["spec"]
    assert guest.api.find(resources.DESTINATION_RULES, "reviews", "default")
    guest.goto("05")
    assert annas.get(resources.VIRTUAL_SERVICES, "reviews", "default")["spec"] == RULE["spec"]


def test_apply_over_somebody_elses_object_is_refused_until_told_to(guest, annas, tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path))
    with pytest.raises(ownership.ForeignError, match="did not make VirtualService default/reviews"):
        guest.apply("manifests/reviews-v1.yaml")
    assert annas.get(resources.VIRTUAL_SERVICES, "reviews", "default")["spec"] == RULE["spec"]
    changed = guest.apply("manifests/reviews-v1.yaml", adopt=True)
    assert "kubectl apply -f" in changed.warnings[-1]
    (copy,) = (tmp_path / "set-aside").iterdir()
    assert "77s" in copy.read_text()


def test_delete_and_discard_take_what_the_kit_made_and_name_the_rest(guest, annas):
    with pytest.raises(ownership.ForeignError, match="VirtualService default/reviews"):
        guest.delete("manifests/reviews-v1.yaml")
    guest.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}})
    done = guest.discard("configmap/mine", "namespace/shop", "deployment/nobody")
    assert [change.what for change in done.changes] == ["configmap/mine"]
    assert done.warnings == ["left alone, since the kit did not make it: Namespace shop"]
    assert annas.find(resources.NAMESPACES, "shop")


def test_a_lesson_that_makes_a_namespace_leaves_one_of_the_same_name(guest, annas):
    guest.goto("02")
    assert annas.find(resources.NAMESPACES, "shop")
    assert annas.find(resources.NAMESPACES, "istio-system"), "Istio stays where the kit could not install it again"


def test_a_lesson_whose_cells_need_more_rights_says_so_when_it_begins_and_they_change_nothing(guest, sandbox):
    (note,) = guest.goto("14").details
    assert "you may not create or change limitranges, resourcequotas in namespace shop" in note
    assert "kubectl create role labkit-more -n shop" in note and "--serviceaccount=guests:guest" in note
    with pytest.raises(rights.RightsError, match=r"nothing was changed\.\nNext: ask the cluster's owner for this"):
        guest.apply("manifests/quota.yaml")
    assert sandbox.client.find(resources.NAMESPACES, "shop") is None, "not half of the manifest either"
    guest.goto("05")


@pytest.mark.parametrize(
    ("who", "lesson", "why"),
    [
        ("guest", "15", r"no Prometheus in istio-system(.|\n)*kubectl apply -f samples/addons/prometheus"),
        ("tenant", "15", r"may not read Services in namespace istio-system(.|\n)*ask the cluster's owner"),
        ("tenant", "06", r"does not know its address(.|\n)*export LABKIT_GATEWAY_URL"),
    ],
    ids=["an addon is missing", "an addon cannot be seen", "the gateway's address cannot be read"],
)
def test_a_lesson_that_cannot_begin_says_why_before_it_changes_anything(guest, guests, sandbox, who, lesson, why):
    lab = Lab(cluster.of_kubeconfig(getattr(guests, who)), namespace="default" if who == "guest" else "guests")
    lab.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "left-over"}})
    addons.remove(sandbox.client, "prometheus")  # an earlier test may have brought it
    before = {resources.name_of(o) for o in sandbox.client.list(resources.DEPLOYMENTS, lab.namespace)}
    with pytest.raises(errors.SetupError, match=why):
        lab.goto(lesson)
    assert lab.api.find(resources.CONFIG_MAPS, "left-over", lab.namespace)
    assert {resources.name_of(o) for o in sandbox.client.list(resources.DEPLOYMENTS, lab.namespace)} == before
    lab.discard("configmap/left-over")


def test_somebody_with_one_namespace_is_told_all_that_a_lesson_needs(guests):
    lab = Lab(cluster.of_kubeconfig(guests.tenant), namespace="guests")
    with pytest.raises(rights.RightsError, match=r"create or change namespaces(.|\n)*kubectl create clusterrole "):
        lab.apply("manifests/quota.yaml")


def test_everything_of_the_kits_is_listed_by_its_label_and_nothing_else(guest, annas):
    guest.goto("05")
    names = [str(piece) for piece in pruning.pieces(guest.api, "default")]
    assert "VirtualService default/reviews" not in names and "Namespace shop" not in names
    assert {"Deployment default/reviews-v1", "Gateway default/bookinfo-gateway"} <= {*names}
    assert not [name for name in names if name.startswith(("Pod", "ReplicaSet", "EndpointSlice", "Endpoints"))]


def test_where_injection_does_not_work_nothing_is_restarted_and_the_reason_is_named(guests, sandbox, guest):
    """The namespace asks for a revision that nobody installed, so no webhook looks at its pods."""
    api, revision = sandbox.client, {"metadata": {"labels": {dataplane.REVISION: "nobody"}}}
    api.patch(resources.NAMESPACES, "guests", None, revision)
    plain = api.create(resources.DEPLOYMENTS, marks.marked(yaml.safe_load(PLAIN)))
    kinds.until_rolled_out(api, ["plain"], "guests", timeout=30.0)
    pods = [resources.name_of(pod) for pod in api.list(resources.PODS, "guests")]
    with pytest.raises(
        errors.NotReadyError, match=r"njection in namespace guests(.|\n)*a pod tried as plain gets none"
    ):
        dataplane.ensure(guest.api, "guests", dataplane.SIDECARS)
    assert [resources.name_of(pod) for pod in api.list(resources.PODS, "guests")] == pods, "nor is the trial stored"
    details = api.get(resources.DEPLOYMENTS, "details-v1", "default")
    assert injection.trial(guest.api, details, "default") == ""
    api.delete(resources.DEPLOYMENTS, resources.name_of(plain), "guests")
    api.patch(resources.NAMESPACES, "guests", None, {"metadata": {"labels": {dataplane.REVISION: None}}})


def test_down_asks_before_it_deletes_and_without_an_answer_deletes_nothing(
    guest, guests, monkeypatch, capsys, tmp_path
):
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LABKIT_KUBECONFIG", str(guests.guest))
    assert cli.main(["down", "--forget"]) == 1
    printed = capsys.readouterr()
    assert "reviews-v1" in printed.out and "Nothing was deleted" in printed.err
    assert guest.api.find(resources.DEPLOYMENTS, "reviews-v1", "default")


def test_status_says_what_is_there(guest, guests, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LABKIT_KUBECONFIG", str(guests.guest))
    assert cli.main(["status", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["running"] and facts["istio"].startswith("istiod ") and facts["gateway_url"]
    assert not (tmp_path / "home/run/sandbox.json").exists()


def test_the_published_role_is_what_a_lesson_in_one_namespace_needs(sandbox, tmp_path):
    """``docs/one-namespace.yaml`` as the owner of a cluster applies it."""
    place, typed = "participants", Kubectl(sandbox.paths)
    typed("create", "namespace", place)
    typed("label", "namespace", place, "istio-injection=enabled")
    typed("apply", "-n", place, "-f", str(settings.CHECKOUT / "docs/one-namespace.yaml"))
    document = yaml.safe_load(sandbox.kubeconfig.read_text())
    token = typed("create", "token", "participant", "-n", place).strip()
    document["users"] = [{"name": entry["name"], "user": {"token": token}} for entry in document["users"]]
    (tmp_path / "file").write_text(yaml.safe_dump(document))
    lab = Lab(cluster.of_kubeconfig(tmp_path / "file"), namespace=place)
    needed = rights.of_objects(lab.api, [*bookinfo.objects(), *gateway.objects()], namespace=place)
    reads = [("", "pods/log", "get"), ("", "pods/portforward", "create"), ("", "pods/exec", "create")]
    needed += [rights.Right(verb=verb, group=group, resource=name, namespace=place) for group, name, verb in reads]
    assert rights.denied(lab.api, needed) == []
    lab.control.until_endpoints(bookinfo.objects(), place)  # asks for slices, and istiod, which is refused
    typed("delete", "namespace", place, "--wait=false")


def test_a_user_of_one_namespace_is_told_what_is_missing_and_from_whom(guests):
    api = cluster.of_kubeconfig(guests.tenant).client()
    assert presence.problem(presence.of(api)) is None
    assert not ambient.is_ours(api), "which up asks before it chooses a profile"
    tenant = Lab(cluster.of_kubeconfig(guests.tenant), namespace="guests")
    made = tenant.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}})
    assert made.changes[0].action == "created"
    switched = tenant.access_logs()
    assert "Every proxy of namespace guests writes" in switched.sentence and "kubectl apply" in switched.command
    assert api.find(resources.TELEMETRIES, "access-logs", "guests")
    tenant.access_logs(on=False)
    assert api.find(resources.TELEMETRIES, "access-logs", "guests") is None
    assert [str(piece) for piece in pruning.pieces(api, "guests")] == ["ConfigMap guests/mine"]
    tenant.discard("configmap/mine")
