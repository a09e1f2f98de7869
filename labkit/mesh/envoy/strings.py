"""Comparisons of texts as Envoy writes them."""

from labkit.mesh import ir
from labkit.mesh.model import Resource


def matcher(text: ir.Text) -> Resource:
    """A StringMatcher."""
    if text.kind == "prefix" and not text.value:
        return {"safe_regex": {"regex": ".*"}}  # Every text has the empty prefix, but Envoy refuses to compare with it.
    return {"safe_regex": {"regex": text.value}} if text.kind == "regex" else {text.kind: text.value}
