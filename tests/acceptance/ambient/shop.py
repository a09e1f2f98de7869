"""A shop behind a waypoint, as tests ask it, and the objects that they apply to it."""

import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labkit.lab import Lab
from tests.kubectl import Kubectl

CURL = "cluster.local/ns/shop/sa/default"
STATUS = "-s -o /dev/null -w '%{http_code}'"


@dataclass(frozen=True, kw_only=True)
class Shop:
    """Services behind a waypoint, a caller beside them and one in another namespace."""

    lab: Lab
    kubectl: Kubectl
    state: Path
    """The folder of the sandbox's state."""

    applied: list[Any] = field(default_factory=list)

    def apply(self, *objects: dict[str, Any]) -> None:
        """Have objects, in force when this returns."""
        self.applied.extend(objects)
        self.lab.apply(list(objects), quiet=True)

    def curl(self, words: str, *, namespace: str = "shop") -> str:
        """What curl prints in a pod."""
        return str(self.kubectl("-n", namespace, "exec", "deploy/curl", "--", "sh", "-c", f"curl {words}"))

    def status(self, words: str, *, namespace: str = "shop") -> str:
        """The status of one request."""
        return self.curl(f"{STATUS} {words}", namespace=namespace)

    def hellos(self, count: int, words: str = "") -> Counter[str]:
        """Which versions answered so many requests."""
        text = self.curl(f"-s {words} {'http://hello:5000/hello ' * count}")
        return Counter(line.split()[2].rstrip(",:") for line in text.splitlines())

    def come_up(self) -> None:
        """``./lab up`` on the same lab."""
        words = [sys.executable, "-m", "labkit", "up", "--no-browser", "--no-jupyter"]
        env = os.environ | {"LABKIT_HOME": str(self.state.parent)}
        subprocess.run(words, env=env, check=True, capture_output=True, timeout=120)

    def condition(self, kind: str, name: str) -> tuple[str, str, str]:
        """Type, status and message of istiod's condition of ambient."""
        path = '{range .status.conditions[?(@.type!="Reconciled")]}{.type}|{.status}|{.message}{end}'
        kind, status, message = self.kubectl("-n", "shop", "get", kind, name, "-o", f"jsonpath={path}").split("|")
        return kind, status, message


def route(*rules: dict[str, Any], service: str = "hello", port: int = 5000) -> dict[str, Any]:
    parent = {"group": "", "kind": "Service", "name": service, "port": port}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": service, "namespace": "shop"},
        "spec": {"parentRefs": [parent], "rules": list(rules)},
    }


def policy(spec: dict[str, Any], *, kind: str = "Service", name: str = "httpbin") -> dict[str, Any]:
    group = "gateway.networking.k8s.io" if kind.startswith("Gateway") else ""
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "decides", "namespace": "istio-system" if kind == "GatewayClass" else "shop"},
        "spec": {"targetRefs": [{"group": group, "kind": kind, "name": name}], **spec},
    }


GET_BY_CURL = {
    "action": "ALLOW",
    "rules": [{"from": [{"source": {"principals": [CURL]}}], "to": [{"operation": {"methods": ["GET"]}}]}],
}
NO_POST = {"action": "DENY", "rules": [{"to": [{"operation": {"methods": ["POST"]}}]}]}


def rules(name: str, *rules: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"hosts": [name], "http": list(rules)},
    }
