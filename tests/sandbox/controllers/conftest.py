"""A control plane with a node, whose kubelet only says that pods run; a namespace for each test."""

import itertools
from dataclasses import dataclass

import pytest

from labkit.base import waiting
from labkit.kube import client, resources
from tests.sandbox.apiserver import control_plane

NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Place:
    """One namespace."""

    client: client.Client
    name: str

    def create(self, resource, obj):
        body = {**obj, "metadata": {"namespace": self.name, **obj["metadata"]}}
        return self.client.create(resource, body)

    def get(self, resource, name):
        return self.client.get(resource, name, self.name)

    def list(self, resource, labels=""):
        return self.client.list(resource, self.name, labels=labels)

    def patch(self, resource, name, body, **how):
        return self.client.patch(resource, name, self.name, body, **how)

    def until(self, resource, name, holds):
        """The object once it holds."""

        def probe():
            found = self.client.find(resource, name, self.name)
            return found if found is not None and holds(found) else None

        return wait(probe, f"{resource.kind} {name}")

    def until_gone(self, resource, name):
        wait(lambda: self.client.find(resource, name, self.name) is None, f"the end of {resource.kind} {name}")

    def until_listed(self, resource, holds, labels=""):
        """The list once it holds."""

        def probe():
            found = self.list(resource, labels)
            return (found,) if holds(found) else None

        return wait(probe, f"{resource.plural}")[0]


def wait(probe, what):
    return waiting.until(probe, what=what, timeout=60, next_step="look at the controllers", every=0.01)


@pytest.fixture(scope="session")
def plane(tmp_path_factory):
    with control_plane.running(tmp_path_factory.mktemp("plane"), nodes=True) as found:
        yield found


@pytest.fixture
def place(plane):
    name = f"test-{next(NUMBERS)}"
    plane.client.create(resources.NAMESPACES, {"metadata": {"name": name}})
    found = Place(plane.client, name)
    found.until(resources.SERVICE_ACCOUNTS, "default", bool)
    return found


@pytest.fixture
def deploy(place):
    """Make a Deployment ``web`` and wait for its rollout."""

    def deploy(replicas=1, **spec):
        template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "a:1"}]}}
        selector = {"matchLabels": {"app": "web"}}
        body = {"metadata": {"name": "web"}, "spec": {"replicas": replicas, "selector": selector, "template": template}}
        body["spec"] |= spec
        place.create(resources.DEPLOYMENTS, body)
        return place.until(resources.DEPLOYMENTS, "web", is_rolled_out)

    return deploy


def is_rolled_out(deployment):
    seen = deployment.get("status", {})
    current = seen.get("observedGeneration") == deployment["metadata"]["generation"]
    asked = deployment["spec"]["replicas"]
    return current and all(seen.get(n, 0) == asked for n in ("replicas", "updatedReplicas", "availableReplicas"))


def reason(deployment, kind="Progressing"):
    return next(c["reason"] for c in deployment["status"]["conditions"] if c["type"] == kind)
