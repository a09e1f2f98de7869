"""Paths are those of the Kubernetes API."""

import pytest

from labkit.kube import resources


@pytest.mark.parametrize(
    ("resource", "arguments", "path"),
    [
        (resources.PODS, ("default", "web", "log"), "/api/v1/namespaces/default/pods/web/log"),
        (resources.PODS, (), "/api/v1/pods"),
        (resources.DEPLOYMENTS, ("a",), "/apis/apps/v1/namespaces/a/deployments"),
        (resources.NODES, ("ignored", "n"), "/api/v1/nodes/n"),
        (resources.CONFIG_MAPS, ("a", "odd/../name"), "/api/v1/namespaces/a/configmaps/odd%2F..%2Fname"),
    ],
)
def test_a_path(resource, arguments, path):
    assert resource.path(*arguments) == path
