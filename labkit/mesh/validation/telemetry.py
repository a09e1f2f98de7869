"""Telemetry."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.mesh.validation import selectors
from labkit.mesh.validation.findings import Finding, each, error, warning

Part = Mapping[str, Any]

_INDEXED = re.compile(r"\bhas\(\s*[\w.]+(\[)[^\[\]]*\]\s*\)")
_OPEN_END = re.compile(r"(&&|\|\||[-+*/%<>!.(\[{,?:]|[<>=!]=|\bin)\s*$")
_OPERANDS = (
    "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"
)


def findings(obj: Object) -> Iterator[Finding]:
    """What Istio says of one."""
    spec = obj.get("spec") or {}
    yield from selectors.of_policy(spec)
    for metrics in each(spec.get("metrics")):
        yield from _providers(metrics)
        for override in each(metrics.get("overrides")):
            yield from _override(override)
    tracing = each(spec.get("tracing"))
    if len(tracing) > 1:
        yield warning("multiple tracing is not currently supported")
    for entry in tracing:
        yield from _tracing(entry)
    for logging in each(spec.get("accessLogging")):
        expression = (logging.get("filter") or {}).get("expression") or ""
        if problem := _unfinished(expression) or _without_field(expression):
            yield error(f"must be a valid CEL expression, {problem}")
        yield from _providers(logging)


def _providers(entry: Part) -> Iterator[Finding]:
    if any(not provider.get("name") for provider in each(entry.get("providers"))):
        yield error("providers.name may not be empty")


def _override(override: Part) -> Iterator[Finding]:
    for name, tag in sorted((override.get("tagOverrides") or {}).items()):
        if not name:
            yield warning("tagOverrides.name may not be empty")
        is_set, operation = bool((tag or {}).get("value")), (tag or {}).get("operation", "UPSERT")
        if operation == "UPSERT" and not is_set:
            yield error("tagOverrides.value must be set when operation is UPSERT")
        if operation == "REMOVE" and is_set:
            yield error("tagOverrides.value may only be set when operation is UPSERT")
    if (override.get("match") or {}).get("customMetric") == "":
        yield error("customMetric may not be empty")


def _tracing(entry: Part) -> Iterator[Finding]:
    if len(entry.get("providers") or []) > 1:
        yield warning("multiple providers is not currently supported")
    yield from _providers(entry)
    if not 0 <= (entry.get("randomSamplingPercentage") or 0) <= 100:
        yield error("randomSamplingPercentage must be in range [0.0, 100.0]")
    for name, tag in sorted((entry.get("customTags") or {}).items()):
        if not name:
            yield error("tag name may not be empty")
        literal, header, variable = ((tag or {}).get(kind) for kind in ("literal", "header", "environment"))
        if literal is not None and not literal.get("value"):
            yield error("literal tag value may not be empty")
        if header is not None and not header.get("name"):
            yield error("header tag name may not be empty")
        if variable is not None and not variable.get("name"):
            yield error("environment tag name may not be empty")


def _without_field(expression: str) -> str:
    """The complaint on ``has(a['b'])``: only a field is there or not."""
    index = _INDEXED.search(expression)
    if index is None:
        return ""
    place = f"ERROR: <input>:1:{index.start(1) + 1}: invalid argument to has() macro"
    return f"{place}\n | {expression}\n | {'.' * index.start(1)}^"


def _unfinished(expression: str) -> str:
    """The complaint on a CEL expression that stops where an operand must follow."""
    if not _OPEN_END.search(expression):
        return ""
    place = f"ERROR: <input>:1:{len(expression) + 1}: Syntax error: mismatched input '<EOF>' expecting {_OPERANDS}"
    return f"{place}\n | {expression}\n | {'.' * len(expression)}^"
