"""Patches on clusters."""

from collections.abc import Collection
from typing import Any

from labkit.mesh.model import Resource
from labkit.mesh.patches import matching, merging
from labkit.mesh.patches.envoyfilters import Patch, Patches

CLUSTER = "CLUSTER"
MESSAGE = "envoy.config.cluster.v3.Cluster"


def patched(cluster: Resource, patches: Patches, context: str, hosts: Collection[str] = ()) -> Resource | None:
    """The cluster with what is merged into it; None where it is removed."""
    ours = [p for p in patches.of(CLUSTER, context) if matching.cluster(cluster, p, hosts)]
    if any(p.operation == "REMOVE" for p in ours):
        return None
    for patch in ours:
        if patch.is_merge:
            cluster = _merged(cluster, patch)
    return cluster


def _merged(cluster: Resource, patch: Patch) -> Resource:
    socket = patch.value.get("transport_socket")
    if socket is None:
        return merging.merged(MESSAGE, cluster, patch.value, replaces_lists=patch.replaces_lists)
    # Of a patch with a transport socket nothing else is merged (cluster_patch.go): the socket goes into the one of its
    # name, replaces another, and is dropped where the cluster has a choice of sockets and none of its name.
    own, choices = cluster.get("transport_socket"), list(cluster.get("transport_socket_matches") or ())
    if not choices:
        if own is not None and own.get("name") == socket.get("name"):
            socket = merged_socket(own, socket)
        return {**cluster, "transport_socket": socket}
    at = next((n for n, choice in enumerate(choices) if _name(choice) == socket.get("name")), None)
    if at is None:
        return cluster
    choice = {**choices[at], "transport_socket": merged_socket(choices[at]["transport_socket"], socket)}
    return {**cluster, "transport_socket_matches": [*choices[:at], choice, *choices[at + 1 :]]}


def _name(choice: Resource) -> Any:
    return (choice.get("transport_socket") or {}).get("name")


def merged_socket(own: Resource, value: Resource) -> Resource:
    """A transport socket with what a patch says of its configuration."""
    if "typed_config" not in own or "typed_config" not in value:
        return own
    return {
        **own,
        "typed_config": merging.merged_any(own["typed_config"], value["typed_config"]),
    }
