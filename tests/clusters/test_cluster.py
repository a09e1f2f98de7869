"""What stands behind a kubeconfig."""

import pytest

from labkit.clusters import cluster, sandbox
from labkit.kube import marks, resources


def test_a_sandbox_never_claims_what_needs_a_kernel():
    one = cluster.Cluster(kubeconfig="x", is_sandbox=True)
    assert one.capabilities.isdisjoint(cluster.REAL_ONLY)
    assert "splitting" in one.capabilities


def test_a_real_cluster_can_all():
    assert cluster.Cluster(kubeconfig="x").capabilities >= cluster.REAL_ONLY


@pytest.mark.sandbox
def test_a_sandbox_is_known_by_its_node_whoever_names_the_kubeconfig(empty_sandbox):
    assert cluster.of_kubeconfig(empty_sandbox.kubeconfig).is_sandbox


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
