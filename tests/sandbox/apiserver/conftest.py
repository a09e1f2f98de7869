"""An API server with controllers for the whole package, and a namespace for each test."""

import itertools
import json
from dataclasses import dataclass, field

import pytest

from labkit.base import waiting
from labkit.kube import client, resources
from tests.sandbox.apiserver import control_plane

NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Answer:
    """A reply."""

    code: int
    body: dict
    headers: dict = field(default_factory=dict)

    @property
    def message(self):
        return self.body.get("message", "")


@dataclass(frozen=True)
class Ask:
    """Sends requests in one namespace: ``ask("GET", "pods/p")``."""

    client: client.Client
    namespace: str

    def __call__(self, method, path, body=None, *, group="v1", headers=None, query="", anywhere=False):
        root = f"/api/{group}" if "/" not in group else f"/apis/{group}"
        scope = "" if anywhere else f"/namespaces/{self.namespace}"
        url = f"{root}{scope}/{path}{query and '?' + query}"
        sent = {"Content-Type": "application/json"} | (headers or {})
        code, replied, data = self.client.raw(method, url, body=body, headers=sent)
        return Answer(code, json.loads(data), dict(replied))

    def until(self, path, holds, **how):
        """The body at ``path`` once it holds."""

        def probe():
            body = self("GET", path, **how).body
            return body if holds(body) else None

        return waiting.until(probe, what=path, timeout=60, next_step="look at the controllers", every=0.01)


@pytest.fixture(scope="session")
def plane(tmp_path_factory):
    with control_plane.running(tmp_path_factory.mktemp("plane")) as found:
        yield found


@pytest.fixture
def ask(plane):
    name = f"test-{next(NUMBERS)}"
    plane.client.create(resources.NAMESPACES, {"metadata": {"name": name}})
    found = Ask(plane.client, name)
    found.until("serviceaccounts/default", lambda body: body["kind"] == "ServiceAccount")
    return found
