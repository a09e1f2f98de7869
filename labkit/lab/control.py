"""Asking istiod whether what was applied is live, on any kind of cluster."""

import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, replace

from labkit.base import errors
from labkit.clusters.cluster import Cluster
from labkit.install import istio, kinds
from labkit.kube import client, resources, status
from labkit.kube.resources import Object
from labkit.lab.kubectl import Kubectl, KubectlError
from labkit.telemetry import liveness

PORT = 15014
"""istiod's own pages."""

GROUPS = ("networking.istio.io", "security.istio.io", "telemetry.istio.io", "gateway.networking.k8s.io")
"""Whose objects istiod turns into configuration."""

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, kw_only=True)
class Version:
    """``liveness.Subject``."""

    kind: str
    namespace: str
    name: str
    version: str
    is_gone: bool = False


class UnreachableError(errors.LabError):
    """istiod does not answer."""


class ControlPlane:
    """The istiod of one cluster."""

    def __init__(self, api: client.Client, cluster: Cluster, kubectl: Kubectl) -> None:
        self._api, self._cluster, self._kubectl = api, cluster, kubectl

    def versions(self, objects: Sequence[Object], namespace: str) -> list[Version]:
        """The stored versions of those objects that a mesh is configured by."""
        stored = [
            self._api.find(
                kinds.resource_of(self._api, obj), resources.name_of(obj), resources.namespace_of(obj) or namespace
            )
            for obj in objects
            if _is_configuration(obj)
        ]
        return self.versions_of([obj for obj in stored if obj is not None])

    def versions_of(self, stored: Sequence[Object]) -> list[Version]:
        """The versions of objects as the API server gave them."""
        return [
            Version(
                kind=obj["kind"],
                namespace=resources.namespace_of(obj),
                name=resources.name_of(obj),
                version=obj["metadata"]["resourceVersion"],
            )
            for obj in stored
            if _is_configuration(obj)
        ]

    def until_live(self, versions: Sequence[Version]) -> str:
        """Wait until they are live everywhere, and say so in a sentence; empty when there is nothing to wait for."""
        if not versions:
            return ""
        try:
            if self._cluster.is_sandbox:
                return str(liveness.of_sandbox(self.ask, versions))
            return str(liveness.of_istiod(self.ask))
        except (UnreachableError, KubectlError):
            return "istiod does not answer: every proxy keeps what it has"

    def until_gone(self, versions: Sequence[Version]) -> str:
        """The same for the deletion of objects that had these versions."""
        return self.until_live([replace(version, is_gone=True) for version in versions])

    def ask(self, path: str) -> str:
        """A page of istiod's debug port."""
        if not self._cluster.is_sandbox:
            words = ["-n", istio.NAMESPACE, "exec", "deploy/istiod", "--", "pilot-discovery", "request", "GET", path]
            return self._kubectl(words).out
        url = f"http://{self._address()}:{PORT}{path}"
        try:
            with _DIRECT.open(url, timeout=liveness.WAIT + 5) as reply:
                return str(reply.read().decode())
        except (urllib.error.URLError, OSError) as e:
            raise UnreachableError(
                f"istiod does not answer at {url}: {e}\nNext: kubectl -n istio-system get pods"
            ) from e

    def _address(self) -> str:
        try:
            pods = self._api.list(resources.PODS, istio.NAMESPACE, labels="app=istiod")
        except status.StatusError as e:
            raise UnreachableError(str(e)) from e
        for pod in pods:
            if address := (pod.get("status") or {}).get("podIP"):
                return str(address)
        raise UnreachableError("No istiod pod has an address.\nNext: kubectl -n istio-system get pods")


def _is_configuration(obj: Object) -> bool:
    return str(obj["apiVersion"]).partition("/")[0] in GROUPS
