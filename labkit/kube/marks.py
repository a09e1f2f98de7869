"""The marks by which the kit knows its own things in a cluster."""

from collections.abc import Mapping
from typing import Any

from labkit.kube import resources

LABEL = "app.kubernetes.io/managed-by"
"""On everything that the kit makes; only what carries it is ever deleted by the kit."""

OWNER = "labkit"

SANDBOX_NODE = "sandbox"
"""The name of the sandbox's only node; it carries the annotation below, which no real node does."""

SANDBOX_ANNOTATION = "labkit.dev/sandbox"


def marked(obj: resources.Object) -> resources.Object:
    """The object with our label."""
    metadata = obj["metadata"]
    return {**obj, "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), LABEL: OWNER}}}


def is_ours(obj: Mapping[str, Any]) -> bool:
    """Whether the kit made it."""
    return resources.labels_of(obj).get(LABEL) == OWNER


def is_sandbox(node: Mapping[str, Any] | None) -> bool:
    """Whether this Node object is a sandbox's."""
    return node is not None and SANDBOX_ANNOTATION in resources.annotations_of(node)
