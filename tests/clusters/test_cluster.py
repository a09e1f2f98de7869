"""What stands behind a kubeconfig."""

import pytest

from labkit.clusters import capabilities, cluster, sandbox
from labkit.kube import marks, resources

OWNED = {"metadata": {"name": "kube-system", "annotations": {capabilities.OWNED_BY: "labkit"}}}


def test_a_sandbox_never_claims_what_needs_a_kernel():
    assert capabilities.SANDBOX.isdisjoint(capabilities.REAL_ONLY)
    assert "splitting" in capabilities.SANDBOX


def test_a_real_cluster_can_all_and_is_not_there_for_the_course_alone():
    can = capabilities.of_answers(None, {"metadata": {"name": "kube-system"}})
    assert can >= capabilities.REAL_ONLY
    assert capabilities.OWNED not in can


def test_a_cluster_that_the_kit_created_is_there_for_the_course_alone():
    assert capabilities.OWNED in capabilities.of_answers(None, OWNED)


def test_a_user_who_may_read_neither_nodes_nor_kube_system_has_a_cluster_of_somebody_elses():
    assert capabilities.of_answers(None, None) == capabilities.EVERYWHERE | capabilities.REAL_ONLY | {
        capabilities.OLD_ANSWERS
    }


@pytest.mark.sandbox
def test_a_sandbox_is_known_by_its_node_whoever_names_the_kubeconfig(empty_sandbox):
    assert cluster.of_kubeconfig(empty_sandbox.kubeconfig).capabilities == capabilities.SANDBOX


@pytest.mark.sandbox
def test_another_node_of_the_same_name_makes_no_sandbox(empty_sandbox):
    node = empty_sandbox.client.get(resources.NODES, marks.SANDBOX_NODE)
    del node["metadata"]["annotations"][marks.SANDBOX_ANNOTATION]
    assert not marks.is_sandbox(node)


@pytest.mark.sandbox
def test_the_process_table_names_what_runs(sandbox):
    names = [p.name for p in sandbox_table(sandbox)]
    assert "sandbox" in names
    assert "launcher" in names


def sandbox_table(running):
    return sandbox.process_table(running.paths)
