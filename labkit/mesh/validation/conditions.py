"""``when`` of an AuthorizationPolicy: keys and their values."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.mesh.validation import addresses
from labkit.mesh.validation.findings import Finding, error, listed, sentence
from labkit.mesh.validation.gotext import quoted

_ADDRESSES = ("source.ip", "remote.ip", "destination.ip")
_PLAIN = (
    "source.namespace", "source.principal", "source.serviceAccount", "source.trustDomain", "request.auth.principal",
    "request.auth.audiences", "request.auth.presenter", "connection.sni",
)  # fmt: skip
_NESTED = ("request.headers", "request.auth.claims", "experimental.envoy.filters.")
_IDENTITY = ("source.namespace", "source.principal", "source.serviceAccount", "request.auth.")
_DIGITS = re.compile(r"[0-9]+")


def is_of_identity(key: str) -> bool:
    """Whether only the proxy knows it, so that no CUSTOM provider can be asked about it."""
    return key.startswith(_IDENTITY)


def findings(condition: Mapping[str, Any]) -> Iterator[Finding]:
    """What Istio says of one condition."""
    key = condition.get("key", "")
    if not key:
        yield error("`key` must not be empty")
    elif not (condition.get("values") or condition.get("notValues")):
        yield error(f"at least one of `values` or `notValues` must be set for key {key}")
    else:
        for field, word in (("values", "value"), ("notValues", "notValue")):
            if problem := _attribute(key, condition.get(field) or []):
                yield error(f"invalid `{word}` for `key` {key}: {problem}")


def _attribute(key: str, values: list[str]) -> str:
    if "" in values:
        return f"empty value not allowed, found in {key}"
    if key in _ADDRESSES:
        return sentence(map(listed, filter(None, map(addresses.block, values))))
    if key == "destination.port":
        return sentence(map(listed, filter(None, map(port, values))))
    if key.startswith(_NESTED):
        return _nested(key)
    return "" if key in _PLAIN else _unknown(key)


def _nested(key: str) -> str:
    opening = key.find("[")
    is_nested = key.endswith("]") and 0 < opening < len(key) - 2
    return "" if is_nested else f"bad key ({key}): should have format a[b]"


def _unknown(key: str) -> str:
    if key == "destination.namespace":
        return f"attribute {key} is replaced by the metadata.namespace"
    if key.startswith("destination.labels"):
        return f"attribute {key} is replaced by the workload selector"
    if key in ("destination.name", "destination.user"):
        return f"deprecated attribute {key}: only supported in v1alpha1"
    return f"unknown attribute: {key}"


def port(text: str) -> str:
    """What is wrong with a port of a policy."""
    if not _DIGITS.fullmatch(text):
        return f"bad port ({text}): strconv.ParseUint: parsing {quoted(text)}: invalid syntax"
    if int(text) >= 2**32:
        return f"bad port ({text}): strconv.ParseUint: parsing {quoted(text)}: value out of range"
    return f"bad port ({text}): <nil>" if int(text) > 65535 else ""
