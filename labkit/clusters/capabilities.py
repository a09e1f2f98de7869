"""What a cluster can do, as it answers itself. Lessons and the kit ask for these words, never for a kind of cluster."""

from collections.abc import Mapping
from typing import Any

from labkit.kube import client, marks, resources, status

EVERYWHERE = frozenset({"kubectl", "routing", "splitting", "mtls", "logs"})
"""What every supported cluster can do."""

REAL_ONLY = frozenset({"ambient", "multi-cluster", "traffic-capture", "wasm"})
"""What needs a kernel's network namespaces, so never a sandbox."""

OLD_ANSWERS = "old-answers"
"""After a change of a policy, connections that are open may give answers of before for 45 s, as Istio's proxies do."""

OWNED = "owned"
"""The cluster is there for the course alone: any rule in the course's namespaces may go when a lesson begins."""

LOCAL_PODS = "local-pods"
"""Pods are processes of this machine, with loopback addresses of their own."""

CAVEATS = "caveats"
"""The cluster says of fields that it does not carry them out."""

BUNDLED_ISTIO = "bundled-istio"
"""The kit's own manifests install Istio here."""

SANDBOX = EVERYWHERE | {OWNED, LOCAL_PODS, CAVEATS, BUNDLED_ISTIO}

OWNED_BY = "labkit.dev/owned"
"""On the Namespace ``kube-system`` of a cluster that ``./lab up`` has created, a kind one."""


def of_answers(node: Mapping[str, Any] | None, system: Mapping[str, Any] | None) -> frozenset[str]:
    """From the Node ``sandbox`` and the Namespace ``kube-system``; None where there is none, or none to be read."""
    if marks.is_sandbox(node):
        return SANDBOX
    is_owned = system is not None and OWNED_BY in resources.annotations_of(system)
    return EVERYWHERE | REAL_ONLY | {OLD_ANSWERS} | ({OWNED} if is_owned else set())


def ask(api: client.Client) -> frozenset[str]:
    """The capabilities of the cluster behind a client; an ordinary user may not read nodes, which answers too."""
    node = readable(api, resources.NODES, marks.SANDBOX_NODE)
    system = None if node else readable(api, resources.NAMESPACES, "kube-system")
    return of_answers(node, system)


def readable(api: client.Client, resource: resources.Resource, name: str, namespace: str | None = None) -> Any:
    """One object, or None where there is none or this user may not read it."""
    try:
        return api.find(resource, name, namespace)
    except status.StatusError as e:
        if e.code != 403:
            raise
        return None
