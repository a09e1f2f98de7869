"""Where a field of an object stands in its YAML."""

import re

import yaml


def line(text: str, field: str) -> int:
    """The line of ``spec.http[0].timeout`` in a document, from 1; of its nearest parent where it is not written."""
    node, number = yaml.compose(text), 1
    for step in re.findall(r"[^.\[\]]+|\[[^\]]*\]", field):
        name = step.strip("[]")
        if isinstance(node, yaml.SequenceNode) and name.isdecimal() and int(name) < len(node.value):
            node = node.value[int(name)]
            number = node.start_mark.line + 1
        elif isinstance(node, yaml.MappingNode):
            pair = next((p for p in node.value if p[0].value == name), None)
            if pair is None:
                return number
            number, node = pair[0].start_mark.line + 1, pair[1]
    return number
