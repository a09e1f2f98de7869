"""Descriptions of columns: the API's own documentation of a field, read from the installed client.

The texts belong to Kubernetes; they are looked up at run time and are not part of this package. Without the
client a column has no description, which nobody but ``kubectl get -v=9`` would see.
"""

import ast
import importlib.util
import re
from functools import cache
from pathlib import Path

_REFERENCE = re.compile(r"^(V\d\w*|CoreV1\w+)\.(\w+)$")
PARAGRAPHS = ("creation_timestamp",)
"""Fields whose documentation has paragraphs; the client joins them with two spaces."""


@cache
def text(description: str) -> str:
    """The description itself, or for ``V1PodSpec.node_name`` the documentation of that field."""
    reference = _REFERENCE.match(description)
    if not reference:
        return description
    found = _documentation(_module(reference[1])).get(reference[2], "")
    return found.replace("  ", "\n\n") if reference[2] in PARAGRAPHS else found


def _module(model: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", model).lower()


@cache
def _documentation(module: str) -> dict[str, str]:
    """Field → documentation of one model; its source is read, because importing the client takes a second."""
    spec = importlib.util.find_spec("kubernetes")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "client" / "models" / f"{module}.py"
        if path.exists():
            fields = re.finditer(
                r'^    (\w+): .*?description=("(?:[^"\\]|\\.)*")', path.read_text(encoding="utf-8"), re.M
            )
            return {found[1]: str(ast.literal_eval(found[2])) for found in fields}
    return {}
