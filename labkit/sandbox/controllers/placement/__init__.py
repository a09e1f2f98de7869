"""Where a pod may go: what speaks against each node, in the words and the order of the real scheduler. Pure."""

from labkit.sandbox.controllers.placement.nodes import admits
from labkit.sandbox.controllers.placement.taints import untolerated
from labkit.sandbox.controllers.placement.verdict import Placement, Scene, place

__all__ = ["Placement", "Scene", "admits", "place", "untolerated"]
