"""One sandbox with Istio's ambient profile for all tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.base import settings
from labkit.clusters import cluster
from labkit.clusters import sandbox as sandboxes
from labkit.install import ambient
from labkit.lab import Lab
from tests.acceptance.ambient.shop import Shop
from tests.kubectl import Kubectl

SCENE = Path(__file__).with_name("shop.yaml")


@pytest.fixture(scope="package")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    paths = settings.Paths(home=tmp_path_factory.mktemp("ambient") / "home")
    sandbox = sandboxes.start(paths)
    try:
        ambient.install(sandbox.client())
        kubectl = Kubectl(paths)
        kubectl("apply", "-f", str(SCENE))
        kubectl("-n", "shop", "wait", "--for=condition=Programmed", "gateway/waypoint", "--timeout=60s")
        for namespace in ("shop", "far", "many"):
            kubectl("-n", namespace, "wait", "--for=condition=Available", "deployment", "--all", "--timeout=60s")
        lab = Lab(cluster.of_sandbox(paths.kubeconfig))
        for namespace, name in (("shop", "hello-v1"), ("shop", "hello-v2"), ("shop", "httpbin"), ("far", "curl")):
            lab.wait(name, namespace=namespace)
        lab.wait("curl", namespace="shop")
        yield Shop(lab=lab, kubectl=kubectl, state=paths.state)
    finally:
        sandboxes.stop(paths)


@pytest.fixture
def shop(mesh: Shop) -> Iterator[Shop]:
    yield mesh
    if mesh.applied:
        mesh.lab.delete(list(mesh.applied), quiet=True)
        mesh.applied.clear()
