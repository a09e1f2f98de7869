"""A lab on the run's sandbox."""

import pytest

from labkit.clusters import cluster
from labkit.lab import Lab


@pytest.fixture(scope="session")
def lab(sandbox) -> Lab:
    """The course's object on the sandbox with Istio and Bookinfo."""
    return Lab(cluster.of_sandbox(sandbox.kubeconfig))
