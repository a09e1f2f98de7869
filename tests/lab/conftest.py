"""A lab on the run's sandbox, and the same cluster for somebody who may not read its nodes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from labkit.base import records
from labkit.clusters import cluster, forwarder
from labkit.kube import manifests, resources
from labkit.lab import Lab

GUEST = """
apiVersion: v1
kind: Namespace
metadata: {name: guests}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: guest, namespace: guests}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: guest}
rules:
- apiGroups: [""]
  resources: [namespaces, services, pods, pods/log, pods/exec, pods/portforward, pods/proxy, configmaps, secrets,
    serviceaccounts, endpoints, events]
  verbs: ["*"]
- {apiGroups: [apps, discovery.k8s.io, networking.istio.io, security.istio.io, telemetry.istio.io,
    gateway.networking.k8s.io], resources: ["*"], verbs: ["*"]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: guest}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: guest}
subjects: [{kind: ServiceAccount, name: guest, namespace: guests}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: tenant, namespace: guests}
rules:
- {apiGroups: ["", apps, networking.istio.io, telemetry.istio.io], resources: ["*"], verbs: ["*"]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: tenant, namespace: guests}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: tenant, namespace: guests}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: tenant}
subjects: [{kind: ServiceAccount, name: tenant, namespace: guests}]
"""
"""Of ``guest`` the whole cluster but its nodes, so that it looks like anybody's; of ``tenant`` one namespace."""


@pytest.fixture(scope="session")
def lab(sandbox) -> Lab:
    """The course's object on the sandbox with Istio and Bookinfo."""
    return Lab(cluster.of_sandbox(sandbox.kubeconfig))


@dataclass(frozen=True, kw_only=True)
class Guests:
    """Kubeconfigs of users of the sandbox to whom it is any cluster."""

    guest: Path
    tenant: Path


@pytest.fixture(scope="session")
def guests(sandbox, tmp_path_factory) -> Iterator[Guests]:
    """The two users; they know no address of a node, so forwarders lead them to the gateway, which end here."""
    api = sandbox.client
    for obj in manifests.parse(GUEST):
        api.apply(resource_of(obj), obj)
    folder = tmp_path_factory.mktemp("guests")
    yield Guests(guest=_kubeconfig(sandbox, folder, "guest"), tenant=_kubeconfig(sandbox, folder, "tenant"))
    for record in tmp_path_factory.getbasetemp().glob("*/*/run/forward-*.json"):
        forwarder.stop(records.Record(path=record))


@pytest.fixture(scope="module")
def guest(guests, lab, tmp_path_factory) -> Iterator[Lab]:
    """The lab of somebody for whom the sandbox is any cluster, with a folder of its own."""
    lab.goto("05")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABKIT_HOME", str(tmp_path_factory.mktemp("guest") / "home"))
        yield Lab(cluster.of_kubeconfig(guests.guest))
    lab.goto("05")


def resource_of(obj):
    """The resource of an object of the manifest above."""
    plural = obj["kind"].lower() + "s"
    return resources.Resource(
        api_version=obj["apiVersion"], kind=obj["kind"], plural=plural, namespaced="namespace" in obj["metadata"]
    )


def _kubeconfig(sandbox, folder, name):
    code, _, body = sandbox.client.raw(
        "POST",
        f"/api/v1/namespaces/guests/serviceaccounts/{name}/token",
        body={"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
        headers={"Content-Type": "application/json"},
    )
    assert code == 201, body
    document = yaml.safe_load(sandbox.kubeconfig.read_text())
    document["users"] = [{"name": name, "user": {"token": json.loads(body)["status"]["token"]}}]
    for context in document["contexts"]:
        context["context"]["user"] = name
    path = folder / name
    path.write_text(yaml.safe_dump(document))
    return path
