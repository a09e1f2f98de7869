"""What a namespace is given, and how it is emptied."""

from labkit.kube import resources
from labkit.sandbox.controllers.namespaces import conditions

NAMESPACES, MAPS = resources.NAMESPACES, resources.CONFIG_MAPS


def test_every_namespace_has_an_account_and_the_certificate(place):
    certificate = place.until(MAPS, "kube-root-ca.crt", bool)["data"]["ca.crt"]
    assert certificate.startswith("-----BEGIN CERTIFICATE-----")


def test_a_changed_certificate_is_put_right(place):
    right = place.until(MAPS, "kube-root-ca.crt", bool)["data"]
    place.patch(MAPS, "kube-root-ca.crt", {"data": {"ca.crt": "wrong"}})
    place.until(MAPS, "kube-root-ca.crt", lambda obj: obj["data"] == right)


def test_they_come_back_when_deleted(place):
    before = place.get(resources.SERVICE_ACCOUNTS, "default")
    place.client.delete(resources.SERVICE_ACCOUNTS, "default", place.name)
    place.until(resources.SERVICE_ACCOUNTS, "default", lambda obj: resources.uid_of(obj) != resources.uid_of(before))


def test_a_deleted_namespace_takes_everything_along(place, deploy):
    deploy(2)
    place.client.delete(NAMESPACES, place.name)
    place.until_gone(NAMESPACES, place.name)
    assert place.list(resources.PODS) == []


def test_what_holds_a_namespace_is_named(place):
    place.create(MAPS, {"metadata": {"name": "c", "finalizers": ["example.com/f"]}})
    place.client.delete(NAMESPACES, place.name)
    stored = place.until(NAMESPACES, place.name, lambda n: "conditions" in n["status"] and _remaining(n) == 1)
    told = {c["type"]: c["message"] for c in stored["status"]["conditions"]}
    assert told["NamespaceContentRemaining"] == "Some resources are remaining: configmaps. has 1 resource instances"
    assert told["NamespaceFinalizersRemaining"].endswith("example.com/f in 1 resource instances")
    place.patch(MAPS, "c", {"metadata": {"finalizers": None}})
    place.until_gone(NAMESPACES, place.name)


def test_a_condition_keeps_its_time_while_it_says_the_same():
    first = conditions([], {"pods.": 2}, {}, now="2026-01-01T00:00:00Z")
    again = conditions(first, {"pods.": 2}, {}, now="2026-01-01T00:01:00Z")
    assert again == first


def _remaining(namespace):
    text = next(c["message"] for c in namespace["status"]["conditions"] if c["type"] == "NamespaceContentRemaining")
    return text.count("resource instances")
