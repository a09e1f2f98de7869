"""What goes with its owner, and what stays."""

import pytest

from labkit.kube import resources

MAPS = resources.CONFIG_MAPS


@pytest.fixture
def make(place):
    """Make a ConfigMap with owners; ``blocks``: foreground deletions of these wait for it."""

    def make(name, *owners, blocks=False, **metadata):
        references = [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": resources.name_of(o), "uid": resources.uid_of(o)}
            | ({"blockOwnerDeletion": True} if blocks else {})
            for o in owners
        ]
        return place.create(MAPS, {"metadata": {"name": name, "ownerReferences": references, **metadata}})

    return make


@pytest.fixture
def delete(place):
    def delete(name, policy):
        path = MAPS.path(place.name, name)
        place.client.raw("DELETE", path, body={"propagationPolicy": policy})

    return delete


def test_what_was_owned_goes_with_its_owner(place, make, delete):
    make("kid", make("owner"))
    delete("owner", "Background")
    place.until_gone(MAPS, "kid")


def test_orphans_stay(place, make, delete):
    make("kid", make("owner"))
    delete("owner", "Orphan")
    place.until_gone(MAPS, "owner")
    assert "ownerReferences" not in place.get(MAPS, "kid")["metadata"]


def test_an_owner_in_the_foreground_goes_last(place, make, delete):
    make("kid", make("owner"), blocks=True, finalizers=["example.com/f"])
    delete("owner", "Foreground")
    place.until(MAPS, "kid", lambda kid: "deletionTimestamp" in kid["metadata"])
    assert place.get(MAPS, "owner")["metadata"]["finalizers"] == ["foregroundDeletion"]
    place.patch(MAPS, "kid", {"metadata": {"finalizers": None}})
    place.until_gone(MAPS, "owner")


def test_one_owner_of_two_is_enough(place, make, delete):
    make("kid", make("owner"), make("other"))
    delete("owner", "Background")
    kid = place.until(MAPS, "kid", lambda kid: len(kid["metadata"]["ownerReferences"]) == 1)
    assert kid["metadata"]["ownerReferences"][0]["name"] == "other"


def test_an_owner_that_never_was_is_none(place, make):
    make("kid", {"metadata": {"name": "owner", "uid": "00000000-0000-4000-8000-000000000000"}})
    place.until_gone(MAPS, "kid")


def test_custom_resources_own_too(place, plane):
    group = f"{place.name}.example.com"
    schema = {"openAPIV3Schema": {"type": "object"}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    names = {"plural": "owners", "kind": "Owner"}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}
    plane.client.create(resources.CRDS, {"metadata": {"name": f"owners.{group}"}, "spec": spec})
    kind = resources.Resource(api_version=f"{group}/v1", kind="Owner", plural="owners")
    owner = place.create(kind, {"apiVersion": f"{group}/v1", "kind": "Owner", "metadata": {"name": "o"}})
    reference = {"apiVersion": f"{group}/v1", "kind": "Owner", "name": "o", "uid": resources.uid_of(owner)}
    place.create(MAPS, {"metadata": {"name": "kid", "ownerReferences": [reference]}})
    plane.client.delete(kind, "o", place.name)
    place.until_gone(MAPS, "kid")


def test_a_deleted_deployment_takes_its_pods_along(place, deploy):
    deploy(2)
    place.client.delete(resources.DEPLOYMENTS, "web", place.name)
    place.until_listed(resources.PODS, lambda listed: not listed)
    place.until_listed(resources.REPLICA_SETS, lambda listed: not listed)
