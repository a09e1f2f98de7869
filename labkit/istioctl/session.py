"""One command's connection: the cluster, the namespace, and where its words go."""

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from labkit.base import errors
from labkit.clusters import capabilities
from labkit.kube import client, forwarding, resources, status
from labkit.kube.resources import Object

ENVOY_PORT, ISTIOD_PORT = 15000, 15014


class CommandError(errors.LabError):
    """What a command cannot do; istioctl prints it after ``Error:`` and exits with 1."""


@dataclass(kw_only=True)
class Session:
    """What a command works with."""

    kubeconfig: Path
    context: str | None = None
    namespace: str = "default"
    istio_namespace: str = "istio-system"
    text: str = ""
    """Its standard input."""

    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)

    @cached_property
    def api(self) -> client.Client:
        """The cluster's client."""
        return client.Client.from_kubeconfig(self.kubeconfig, context=self.context)

    @cached_property
    def has_bundled_istio(self) -> bool:
        """Whether the kit's own manifests install Istio here: on the sandbox."""
        return capabilities.BUNDLED_ISTIO in capabilities.ask(self.api)

    def print(self, *lines: str) -> None:
        """Lines of the answer."""
        self.out += [f"{line}\n" for line in lines]

    def note(self, *lines: str) -> None:
        """Lines beside the answer, on standard error."""
        self.err += [f"{line}\n" for line in lines]

    def document(self, value: Any, form: str) -> None:
        """A value as JSON or YAML, as ``-o`` asks."""
        if form == "yaml":
            self.out.append(yaml.safe_dump(value, sort_keys=False))
        else:
            self.print(json.dumps(value, indent=4))

    def envoy(self, pod: Object, path: str, *, method: str = "GET") -> str:
        """A page of an Envoy's admin port."""
        return self._page(resources.namespace_of(pod), resources.name_of(pod), ENVOY_PORT, path, method)

    def istiods(self) -> list[Object]:
        """The pods of every control plane."""
        pods = self.api.list(resources.PODS, self.istio_namespace, labels="app=istiod")
        running = [pod for pod in pods if (pod.get("status") or {}).get("phase") == "Running"]
        if not running:
            raise CommandError(
                f'unable to find any Istiod instances in namespace "{self.istio_namespace}"\n'
                f"Next: kubectl -n {self.istio_namespace} get pods"
            )
        return running

    def istiod(self, pod: Object, path: str) -> str:
        """A page of one istiod's monitoring port."""
        return self._page(resources.namespace_of(pod), resources.name_of(pod), ISTIOD_PORT, path, "GET")

    def page(self, pod: Object, port: int, path: str, *, method: str = "GET", body: Any = None) -> str:
        """A page of any port of a pod; ``body`` is sent as JSON."""
        return self._page(resources.namespace_of(pod), resources.name_of(pod), port, path, method, body)

    def _page(self, namespace: str, name: str, port: int, path: str, method: str, body: Any = None) -> str:
        try:
            return forwarding.page(self.api, namespace, name, port, path, method=method, body=body)
        except (status.StatusError, OSError) as e:
            raise CommandError(
                f"failed to execute command on {name}.{namespace}: port {port}: {e}\n"
                f"Next: kubectl -n {namespace} describe pod {name}"
            ) from e

    def read(self, name: str) -> str:
        """A file; ``-`` is standard input."""
        if name == "-":
            return self.text
        try:
            return Path(name).expanduser().read_text()
        except OSError as e:
            raise CommandError(f"{name}: {e.strerror}") from e
