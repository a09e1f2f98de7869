"""What the kit expects of a cluster, asked of any one.

In the suite that is the sandbox. ``LABKIT_CONTRACT_KUBECONFIG=FILE pytest tests/contract`` asks a real one, whose
kubeconfig has one context and its administrator's rights; two namespaces come and go there.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from labkit.base import waiting
from labkit.clusters import cluster
from labkit.kube import client, resources
from tests.kubectl import Kubectl

NAMED = "LABKIT_CONTRACT_KUBECONFIG"
PLACE = "contract"

PATIENCE = 90.0
"""Seconds for pods to start, images included."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A cluster, by its kubeconfig alone."""

    kubeconfig: Path
    kube_cache: Path
    api: client.Client

    def kubectl(self, *words: str, **how: object) -> str:
        """Stock kubectl in the namespace of these tests."""
        return str(Kubectl(self)("-n", PLACE, *words, **how))

    def apply(self, text: str) -> str:
        """``kubectl apply``."""
        return self.kubectl("apply", "-f", "-", stdin=text)

    def pods(self, labels: str) -> list[resources.Object]:
        """Those that are not on their way out."""
        listed = self.api.list(resources.PODS, PLACE, labels=labels)
        return [pod for pod in listed if "deletionTimestamp" not in pod["metadata"]]

    def until(self, probe, what: str):
        """Wait for it, as long as a real cluster may take."""
        return waiting.until(probe, what=what, timeout=PATIENCE, next_step="kubectl -n contract get pods", every=0.1)


@pytest.fixture(scope="session")
def asked(request, tmp_path_factory) -> Iterator[Asked]:
    """The cluster with an empty namespace."""
    named = os.environ.get(NAMED)
    kubeconfig = Path(named).resolve() if named else request.getfixturevalue("sandbox").kubeconfig
    one = cluster.of_kubeconfig(kubeconfig)
    it = Asked(kubeconfig=kubeconfig, kube_cache=tmp_path_factory.mktemp("cache"), api=one.client())
    it.kubectl("create", "namespace", PLACE)
    it.until(lambda: it.api.find(resources.SERVICE_ACCOUNTS, "default", PLACE), "its default account")
    yield it
    it.kubectl("delete", "namespace", PLACE, "--wait=true")


WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: docker.io/mccutchen/go-httpbin:v2.15.0
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {path: /status/200, port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, labels: {app: client}}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: main, image: "docker.io/curlimages/curl:8.16.0", command: [sleep, infinity]}]
"""


@pytest.fixture(scope="session")
def web(asked) -> Asked:
    """Two pods of a web server behind a Service, and a client."""
    asked.apply(WEB)
    asked.kubectl("rollout", "status", "deploy/web", f"--timeout={PATIENCE:g}s")
    asked.kubectl("wait", "pod/client", "--for=condition=Ready", f"--timeout={PATIENCE:g}s")
    return asked


def document(text: str) -> resources.Object:
    """Of ``kubectl -o json``."""
    return dict(json.loads(text))
