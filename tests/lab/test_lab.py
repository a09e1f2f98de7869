"""A notebook's lab on a running sandbox."""

import json

import pytest

from labkit.base import errors
from labkit.kube import resources
from labkit.lab import Lab, chapters
from labkit.lab.kubectl import KubectlError

pytestmark = pytest.mark.sandbox

MISSPELT = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec: {hosts: [reviews], htpp: []}
"""

FOREIGN = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: mine, namespace: default}
spec: {hosts: [ratings], http: [{route: [{destination: {host: ratings}}]}]}
"""


def versions(lab, count=60):
    return set(lab.send("/api/v1/products/0/reviews", count=count)["version"])


def test_it_says_what_it_is(lab):
    assert repr(lab).startswith("Lab(sandbox, namespace default")


@pytest.mark.parametrize("number", [*chapters.CHAPTERS, "07"])
def test_every_lesson_is_reached_from_the_one_before(lab, number):
    chapter = chapters.chapter(number)
    assert f"Ready for lesson {number}" in lab.goto(number).sentence
    if chapter.istio is not None:
        assert bool(lab.api.find(resources.NAMESPACES, "istio-system")) == chapter.istio
    if chapter.gateway:
        assert lab.send("/productpage").status == 200


def test_a_lesson_sets_aside_what_it_did_not_make(lab, tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path))
    lab.goto("05")
    lab._connection.run("apply -f -", text=FOREIGN)
    (note,) = lab.goto("05").details
    assert "virtualservice/mine" in note
    assert lab.api.find(resources.VIRTUAL_SERVICES, "mine", "default") is None
    (copy,) = (tmp_path / "set-aside").iterdir()
    lab.apply(copy)
    assert lab.api.find(resources.VIRTUAL_SERVICES, "mine", "default")
    lab.goto("05")


def test_a_misspelt_field_is_refused_by_name_and_the_old_rule_stays(lab):
    lab.goto("07")
    with pytest.raises(KubectlError) as refusal:
        lab.apply(MISSPELT)
    assert "reviews" in str(refusal.value)
    assert "spec.htpp" in str(refusal.value)
    assert versions(lab) == {"v1"}


def test_what_apply_says_is_live_is_live_in_the_next_request(lab):
    lab.goto("07")
    for subset in ("v3", "v2", "v1", "v3"):
        lab.apply(
            {
                "apiVersion": "networking.istio.io/v1",
                "kind": "VirtualService",
                "metadata": {"name": "reviews"},
                "spec": {
                    "hosts": ["reviews"],
                    "http": [{"route": [{"destination": {"host": "reviews", "subset": subset}}]}],
                },
            }
        )
        assert versions(lab, count=20) == {subset}


def test_a_split_is_measured_as_asked(lab):
    lab.goto("07")
    view = lab.split("reviews", rate=200, v1=50, v2=50)
    assert view.wait(count=300).agrees
    assert not view.running


def test_a_split_over_a_subset_nobody_defined_says_what_to_apply(lab):
    lab.goto("05")
    with pytest.raises(errors.SetupError, match=r"destination-rules\.yaml"):
        lab.split("reviews", v1=50, v2=50)


def test_a_page_stands_in_the_notebook_as_a_user_sees_it(lab):
    lab.goto("05")
    page = lab.page(user="jason")
    assert page.title == "Simple Bookstore App"
    assert "jason" in page.html


def test_a_proxy_shows_what_istiod_gave_it(lab):
    lab.goto("05")
    proxy = lab.proxy("reviews-v1")
    assert proxy.identity() == "spiffe://cluster.local/ns/default/sa/bookinfo-reviews"
    assert "ratings.default.svc.cluster.local" in set(proxy.clusters()["service"])


def test_kubectl_says_no_in_a_result_not_in_an_exception(lab):
    printed = lab.kubectl("get pod nobody")
    assert printed.code == 1
    assert 'pods "nobody" not found' in printed.text


def test_a_kubeconfig_that_is_not_there_is_named(tmp_path):
    with pytest.raises(errors.SetupError, match="no kubeconfig"):
        Lab.connect(tmp_path / "nope")


def test_a_request_is_explained_to_its_endpoint_and_its_yaml(lab):
    lab.goto("07")
    lab.apply("manifests/reviews-90-10.yaml")
    text = repr(lab.explain("http://reviews:9080/reviews/0", proxy="productpage-v1"))
    assert "90 % to outbound|9080|v1|reviews.default.svc.cluster.local" in text
    assert "VirtualService default/reviews" in text
    assert "DestinationRule default/reviews" in text


def test_a_path_is_explained_at_the_gateway(lab):
    lab.goto("05")
    assert "VirtualService default/bookinfo" in repr(lab.explain("/productpage"))
    assert "404" in repr(lab.explain("/nowhere"))


def test_the_last_apply_is_shown_as_a_difference(lab):
    lab.goto("07")
    lab.apply("manifests/reviews-90-10.yaml")
    lab.apply("manifests/reviews-50-50.yaml")
    changed = lab.diff().table()
    assert changed["what"].str.contains("90 → 50").any()
    assert changed["proxies"].str.startswith("6: ").all()


def test_waiting_for_what_is_not_there_soon_says_so(lab):
    with pytest.raises(errors.NotReadyError, match="there is none of this name"):
        lab.wait("nobody")


def test_what_wait_says_is_ready_is_known_to_every_proxy(lab):
    lab.goto("08")
    lab.apply("manifests/scribe.yaml")
    lab.wait("scribe")
    endpoints = lab.proxy("productpage-v1").endpoints(host="scribe")
    assert "HEALTHY" in set(endpoints["health"])
    slices = lab.api.list(resources.ENDPOINT_SLICES, "default", labels="kubernetes.io/service-name=scribe")
    versions = {piece["metadata"]["name"]: piece["metadata"]["resourceVersion"] for piece in slices}
    asked = [f"object=EndpointSlice/default/{name}&resourceVersion={version}" for name, version in versions.items()]
    answers = [json.loads(lab._connection.doors.istiod(f"/debug/labkit/live?{query}")) for query in asked]
    assert [answer["live"] for answer in answers] == [answer["proxies"] for answer in answers] != []
    lab.goto("05")


def test_an_app_outlives_clients_that_hang_up(lab):
    lab.goto("08")
    lab.apply("manifests/scribe.yaml")
    lab.wait("scribe")
    lab.apply("manifests/reviews-mirror-scribe.yaml")
    lab.send("/api/v1/products/0/reviews", count=20)
    assert lab.logged("scribe", "GET /reviews/0") == 20
    (pod,) = lab.api.list(resources.PODS, "default", labels="app=scribe")
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
    lab.goto("05")
