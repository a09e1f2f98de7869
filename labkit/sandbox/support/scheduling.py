"""Fields by which a pod says where it may go."""

from collections.abc import Mapping

from labkit.sandbox.support.entries import Fields

# What a pod merely prefers makes no difference where there is one node.
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"

STRUCTS: Mapping[str, Fields] = {
    "Affinity": Fields(carried_out="nodeAffinity podAffinity podAntiAffinity"),
    "NodeAffinity": Fields(carried_out=_REQUIRED, moot=_PREFERRED),
    "PodAffinity": Fields(carried_out=_REQUIRED, moot=_PREFERRED),
    "PodAntiAffinity": Fields(carried_out=_REQUIRED, moot=_PREFERRED),
    "NodeSelector": Fields(carried_out="nodeSelectorTerms"),
    "NodeSelectorTerm": Fields(carried_out="matchExpressions matchFields"),
    "NodeSelectorRequirement": Fields(carried_out="key operator values"),
    "PodAffinityTerm": Fields(
        carried_out="labelSelector namespaces topologyKey namespaceSelector matchLabelKeys mismatchLabelKeys"
    ),
    "Toleration": Fields(carried_out="key operator value effect tolerationSeconds"),
    "TopologySpreadConstraint": Fields(
        carried_out="maxSkew topologyKey whenUnsatisfiable labelSelector minDomains nodeAffinityPolicy nodeTaintsPolicy"
        " matchLabelKeys"
    ),
}
"""Go struct → its fields."""
