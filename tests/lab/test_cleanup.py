"""What a lesson may take away, and that nothing is lost by it."""

import pytest

from labkit.kube import manifests, marks, resources
from labkit.lab import cleanup


def virtual_service(**metadata):
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "reviews", "namespace": "default", **metadata},
        "spec": {"hosts": ["reviews"]},
    }


def present(obj, resource=resources.VIRTUAL_SERVICES):
    return cleanup.Leftover(resource=resource, obj=obj)


@pytest.mark.parametrize("is_owned", [True, False], ids=["own cluster", "other cluster"])
def test_what_the_kit_made_goes(is_owned):
    assert cleanup.goes(present(marks.marked(virtual_service())), is_owned=is_owned)


def test_a_users_rule_goes_where_the_cluster_is_the_kits_own_only():
    assert cleanup.goes(present(virtual_service()), is_owned=True)
    assert not cleanup.goes(present(virtual_service()), is_owned=False)


def test_a_rule_that_the_sandbox_does_not_carry_out_goes_as_well():
    plugin = {"apiVersion": "extensions.istio.io/v1alpha1", "kind": "WasmPlugin", "metadata": {"name": "mine"}}
    assert cleanup.goes(present(plugin, resources.WASM_PLUGINS), is_owned=True)


def test_a_users_workload_never_goes():
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "mine"}}
    assert not cleanup.goes(present(deployment, resources.DEPLOYMENTS), is_owned=True)


def test_what_another_object_owns_is_left_to_its_owner():
    owned = virtual_service(ownerReferences=[{"kind": "Gateway", "name": "g", "controller": True}])
    assert not cleanup.goes(present(owned), is_owned=True)


def test_a_copy_can_be_applied_again(tmp_path):
    live = virtual_service(uid="1", resourceVersion="7", annotations={"mine": "yes"}) | {"status": {"x": 1}}
    (kept,) = manifests.read(cleanup.keep_copy([live], tmp_path))
    assert kept == virtual_service(annotations={"mine": "yes"})
