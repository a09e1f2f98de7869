"""Patches on clusters."""

from collections.abc import Collection
from typing import Any

from labkit.mesh.model import Resource
from labkit.mesh.patches import matching, merging
from labkit.mesh.patches.envoyfilters import Patches

CLUSTER = "CLUSTER"
MESSAGE = "envoy.config.cluster.v3.Cluster"


def patched(cluster: Resource, patches: Patches, context: str, hosts: Collection[str] = ()) -> Resource | None:
    """The cluster with what is merged into it; None where it is removed."""
    ours = [p for p in patches.of(CLUSTER, context) if matching.cluster(cluster, p, hosts)]
    if any(p.operation == "REMOVE" for p in ours):
        return None
    for patch in ours:
        if patch.operation == "MERGE":
            cluster = _merged(cluster, patch.value)
    return cluster


def _merged(cluster: Resource, value: Resource) -> Resource:
    if "transport_socket" not in value:
        return merging.merged(MESSAGE, cluster, value)
    # Of a patch with a transport socket Istio merges nothing else where the cluster has one: into the socket of that
    # name, or not at all, since a cluster must not have a socket and a choice of sockets (cluster_patch.go).
    socket, own, choices = value["transport_socket"], cluster.get("transport_socket"), _choices(cluster)
    if own is not None:
        same = own.get("name") == socket.get("name")
        return {**cluster, "transport_socket": merged_socket(own, socket)} if same else cluster
    if not choices:
        return merging.merged(MESSAGE, cluster, value)
    at = next((n for n, c in enumerate(choices) if _name(c) == socket.get("name")), None)
    if at is None:
        return cluster
    choice = {**choices[at], "transport_socket": merged_socket(choices[at]["transport_socket"], socket)}
    return {**cluster, "transport_socket_matches": [*choices[:at], choice, *choices[at + 1 :]]}


def _choices(cluster: Resource) -> list[Any]:
    return list(cluster.get("transport_socket_matches") or ())


def _name(choice: Resource) -> Any:
    return (choice.get("transport_socket") or {}).get("name")


def merged_socket(own: Resource, value: Resource) -> Resource:
    """A transport socket with what a patch says of its configuration."""
    if "typed_config" not in own or "typed_config" not in value:
        return own
    return {**own, "typed_config": merging.merged_any(own["typed_config"], value["typed_config"])}
