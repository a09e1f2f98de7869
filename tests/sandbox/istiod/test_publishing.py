"""From objects to what each proxy is sent."""

from typing import Any

import pytest

from labkit.sandbox.istiod import ads, attribution, authority, identities, publishing
from tests.sandbox.istiod import proxies

Object = dict[str, Any]
SERVICES = "services"
RULES = "virtualservices.networking.istio.io"


def service(name: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default", "uid": name},
        "spec": {"clusterIP": "10.96.0.9", "ports": [{"name": "http", "port": 80}]},
    }


def rule(name: str, **http: Any) -> Object:
    spec = {"hosts": [name], "http": [{"route": [{"destination": {"host": name}}], **http}]}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": "default", "uid": f"rule-{name}", "resourceVersion": "1"},
        "spec": spec,
    }


@pytest.fixture
def refusals() -> list[ads.Refusal]:
    return []


@pytest.fixture
def publication(refusals: list[ads.Refusal]) -> publishing.Publication:
    return publishing.Publication(identities.Identities(authority.Authority.new()), refusals.append)


def test_before_the_first_snapshot_there_is_nothing(publication: publishing.Publication) -> None:
    assert publication.resources_for(proxies.proxy()) == {}


def test_a_service_becomes_a_cluster_of_every_proxy(publication: publishing.Publication) -> None:
    publication.renew({SERVICES: [service("web")]}, {})
    resources = publication.resources_for(proxies.proxy())
    assert "outbound|80||web.default.svc.cluster.local" in resources["clusters"]
    assert {"default", "ROOTCA"} <= set(resources["secrets"])


def test_the_same_objects_give_the_same_bytes(publication: publishing.Publication) -> None:
    publication.renew({SERVICES: [service("web")]}, {})
    first = publication.resources_for(proxies.proxy())
    publication.renew({SERVICES: [service("web")]}, {})
    assert publication.resources_for(proxies.proxy()) == first


def test_what_the_gateway_api_says_is_published(publication: publishing.Publication) -> None:
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "web", "namespace": "default", "uid": "route"},
        "spec": {
            "parentRefs": [{"group": "", "kind": "Service", "name": "web", "port": 80}],
            "rules": [{"backendRefs": [{"name": "web", "port": 80}], "timeouts": {"request": "7s"}}],
        },
    }
    publication.renew({SERVICES: [service("web")], "httproutes.gateway.networking.k8s.io": [route]}, {})
    assert publication.converted.virtual_services
    assert ("HTTPRoute", "default", "web") in publication.converted.statuses


def test_an_object_that_cannot_be_compiled_stays_as_it_was(publication: publishing.Publication) -> None:
    publication.renew({SERVICES: [service("web")]}, {})
    broken = rule("web")
    broken["spec"]["http"] = 7
    change = attribution.Change(place=RULES, old=None, new=broken)
    result = publication.renew({SERVICES: [service("web"), service("other")], RULES: [broken]}, {}, [change])
    assert [obj["metadata"]["name"] for obj, _ in result] == ["web"]
    clusters = publication.resources_for(proxies.proxy())["clusters"]
    assert "outbound|80||other.default.svc.cluster.local" in clusters


def test_the_culprit_is_the_object_without_which_the_resource_was_another() -> None:
    good, bad = rule("web"), rule("other", timeout="3000ms")
    objects = {SERVICES: [service("web"), service("other")], RULES: [good, bad]}
    snapshot = publishing.model.Snapshot(objects=objects)
    changes = [attribution.Change(place=RULES, old=None, new=obj) for obj in (good, bad)]
    changes.append(attribution.Change(place="configmaps", old=None, new=service("unrelated")))
    culprits = attribution.culprits(
        snapshot, changes, proxies.proxy(), "routes", _routes(snapshot), "3000ms is not good"
    )
    assert [obj["metadata"]["name"] for obj in culprits] == ["other"]


def test_a_refusal_that_points_at_an_element_blames_whoever_made_it() -> None:
    rules = [rule("web"), rule("other")]
    objects = {SERVICES: [service("web"), service("other")], RULES: rules}
    snapshot = publishing.model.Snapshot(objects=objects)
    changes = [attribution.Change(place=RULES, old=None, new=obj) for obj in rules]
    route = attribution.compiled(snapshot).for_proxy(proxies.proxy()).routes
    name, config = next((n, c) for n, c in route.items() if any("other" in h["name"] for h in c["virtual_hosts"]))
    at = next(i for i, h in enumerate(config["virtual_hosts"]) if h["name"].startswith("other."))
    text = f"RouteConfigurationValidationError.VirtualHosts[{at}]: value is too strange"
    culprits = attribution.culprits(snapshot, changes, proxies.proxy(), "routes", [name], text)
    assert [obj["metadata"]["name"] for obj in culprits] == ["other"]


def test_blame_stands_while_the_object_does() -> None:
    bad, later = rule("web", timeout="3000ms"), rule("other")
    blame = attribution.Blame()
    objects = {SERVICES: [service("web"), service("other")], RULES: [bad]}
    snapshot = publishing.model.Snapshot(objects=objects)
    names = _routes(snapshot)
    first = [attribution.Change(place=RULES, old=None, new=bad)]
    assert blame.of(snapshot, first, proxies.proxy(), "routes", names, "3000ms!")[0] is bad
    both = publishing.model.Snapshot(objects={**objects, RULES: [bad, later]})
    second = [attribution.Change(place=RULES, old=None, new=later)]
    assert blame.of(both, second, proxies.proxy(), "routes", names, "3000ms!") == [bad]
    mended = publishing.model.Snapshot(objects={**objects, RULES: [later]})
    assert blame.of(mended, second, proxies.proxy(), "routes", names, "3000ms!") == [later]


def _routes(snapshot: Any) -> list[str]:
    return list(attribution.compiled(snapshot).for_proxy(proxies.proxy()).routes)
