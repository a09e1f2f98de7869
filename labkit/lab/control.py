"""Asking istiod whether what was applied is live, on any kind of cluster."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from labkit.install import kinds
from labkit.kube import client, resources
from labkit.kube.resources import Object
from labkit.lab import doors, endpoints
from labkit.lab.kubectl import KubectlError
from labkit.telemetry import liveness, workloads

GROUPS = ("networking.istio.io", "security.istio.io", "telemetry.istio.io", "gateway.networking.k8s.io")
"""Whose objects istiod turns into configuration."""


UNSEEN = 1.5
"""Seconds that a change gets where this user may not ask istiod: it is live everywhere in a fifth of that."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """``liveness.Subject``."""

    kind: str
    namespace: str
    name: str
    version: str
    is_gone: bool = False


class ControlPlane:
    """The istiod of one cluster."""

    def __init__(self, api: client.Client, ways: doors.Doors) -> None:
        self._api, self._doors = api, ways
        self._has_versions: bool | None = None

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
        return [_version(obj) for obj in stored if _is_configuration(obj)]

    def until_live(self, versions: Sequence[Version]) -> liveness.State | None:
        """Wait until they are live everywhere; None where there is nothing to wait for, or nobody who may be asked."""
        if not versions:
            return None
        try:
            if self._tells_of_versions():
                return liveness.of_sandbox(self._doors.istiod, versions, read=self._log)
            return liveness.of_istiod(self._doors.istiod)
        except doors.NotAllowedError:
            time.sleep(UNSEEN)
            return None
        except (doors.UnreachableError, KubectlError):
            return liveness.Silence()

    def _tells_of_versions(self) -> bool:
        """Whether this istiod has a page about single versions, as the sandbox's has; asked once."""
        if self._has_versions is None:
            try:
                self._doors.istiod(liveness.PUSHES)
                self._has_versions = True
            except (doors.UnreachableError, KubectlError) as e:
                if "404" not in str(e):
                    raise
                self._has_versions = False
        return self._has_versions

    def _log(self, proxy: str) -> str:
        name, _, namespace = proxy.rpartition(".")
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/log?container={workloads.PROXY}&tailLines=1000"
        code, _, body = self._api.raw("GET", path)
        return body.decode("utf-8", "replace") if code == 200 else ""

    def until_endpoints(self, objects: Sequence[Object], namespace: str) -> None:
        """Wait until every Service among them leads where it says, and every proxy has taken its endpoints."""
        services = [
            (resources.namespace_of(obj) or namespace, resources.name_of(obj))
            for obj in objects
            if obj["kind"] == "Service"
        ]
        if not services:
            return
        endpoints.until_listed(self._api, services)
        versions = [_version(obj) for obj in endpoints.objects_behind(self._api, services)]
        try:
            if versions and self._tells_of_versions():
                liveness.of_sandbox(self._doors.istiod, versions)
            else:
                liveness.of_istiod(self._doors.istiod)
        except doors.NotAllowedError:
            time.sleep(UNSEEN)
        except (doors.UnreachableError, KubectlError):
            return  # no Istio, or none at the moment

    def until_gone(self, versions: Sequence[Version]) -> liveness.State | None:
        """The same for the deletion of objects that had these versions."""
        return self.until_live([replace(version, is_gone=True) for version in versions])


def _version(stored: Object) -> Version:
    return Version(
        kind=stored["kind"],
        namespace=resources.namespace_of(stored),
        name=resources.name_of(stored),
        version=stored["metadata"]["resourceVersion"],
    )


def _is_configuration(obj: Object) -> bool:
    return str(obj["apiVersion"]).partition("/")[0] in GROUPS


def configures(objects: Sequence[Object]) -> bool:
    """Whether any of them is something that istiod turns into configuration."""
    return any(_is_configuration(obj) for obj in objects)
