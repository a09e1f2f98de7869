"""Telemetry."""

import re
from collections.abc import Iterator

from labkit.kube.resources import Object
from labkit.mesh.validation import authorization
from labkit.mesh.validation.findings import Finding, each, error, warning

_INDEXED = re.compile(r"\bhas\(\s*[\w.]+(\[)[^\[\]]*\]\s*\)")
_OPEN_END = re.compile(r"(&&|\|\||[-+*/%<>!.(\[{,?:]|[<>=!]=|\bin)\s*$")
_OPERANDS = (
    "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"
)


def findings(obj: Object) -> Iterator[Finding]:
    """What Istio says of one."""
    spec = obj.get("spec") or {}
    yield from authorization.selector(spec)
    tracing = each(spec.get("tracing"))
    if len(tracing) > 1:
        yield warning("multiple tracing is not currently supported")
    if any(len(entry.get("providers") or []) > 1 for entry in tracing):
        yield warning("multiple providers is not currently supported")
    for logging in each(spec.get("accessLogging")):
        expression = (logging.get("filter") or {}).get("expression") or ""
        if problem := _unfinished(expression) or _without_field(expression):
            yield error(f"must be a valid CEL expression, {problem}")


def _without_field(expression: str) -> str:
    """The complaint on ``has(a['b'])``: only a field is there or not."""
    found = _INDEXED.search(expression)
    if found is None:
        return ""
    place = f"ERROR: <input>:1:{found.start(1) + 1}: invalid argument to has() macro"
    return f"{place}\n | {expression}\n | {'.' * found.start(1)}^"


def _unfinished(expression: str) -> str:
    """The complaint on a CEL expression that stops where an operand must follow."""
    if not _OPEN_END.search(expression):
        return ""
    place = f"ERROR: <input>:1:{len(expression) + 1}: Syntax error: mismatched input '<EOF>' expecting {_OPERANDS}"
    return f"{place}\n | {expression}\n | {'.' * len(expression)}^"
