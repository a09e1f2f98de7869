"""Descriptions of columns: some are the API's own documentation of a field."""

import re

from labkit.sandbox.apiserver.objects import documentation

_REFERENCE = re.compile(r"^(V\d\w*|CoreV1\w+)\.(\w+)$")
PARAGRAPHS = ("creation_timestamp",)
"""Fields whose documentation has paragraphs; the client joins them with two spaces."""


def text(description: str) -> str:
    """The description itself, or for ``V1PodSpec.node_name`` the documentation of that field."""
    reference = _REFERENCE.match(description)
    if not reference:
        return description
    documented = documentation.model(documentation.snake(reference[1])).attributes.get(reference[2], "")
    return documented.replace("  ", "\n\n") if reference[2] in PARAGRAPHS else documented
