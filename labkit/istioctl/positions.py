"""On which line of a file a field stands: ``FILE:24``."""

from dataclasses import dataclass
from typing import Any

import yaml

from labkit.mesh.analysis.messages import Path


@dataclass(frozen=True)
class Placed:
    """An object of a file, with the tree of its text."""

    obj: Any
    file: str
    node: Any

    def line(self, path: Path) -> int:
        """The line of a field, from 1; of the object where the field is not written."""
        node, line = self.node, int(self.node.start_mark.line) + 1
        for step in path:
            child = _child(node, step)
            if child is None:
                return int(self.node.start_mark.line) + 1
            line, node = child
        return line


def _child(node: Any, step: str | int) -> tuple[int, Any] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                return int(key.start_mark.line) + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        item = node.value[step]
        return int(item.start_mark.line) + 1, item
    return None


def objects(text: str, file: str) -> list[Placed]:
    """Every object of a text; yaml.YAMLError where it is none."""
    loader = yaml.SafeLoader(text)
    placed = []
    try:
        while loader.check_node():
            node = loader.get_node()
            obj = loader.construct_document(node)
            if isinstance(obj, dict) and obj.get("kind") and isinstance(obj.get("metadata"), dict):
                placed.append(Placed(obj, file, node))
    finally:
        loader.dispose()
    return placed
