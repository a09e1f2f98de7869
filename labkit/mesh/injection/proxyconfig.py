"""``proxy.istio.io/config``: settings of one proxy, as YAML, judged as Istio reads them into its ProxyConfig."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import yaml

from labkit.mesh.validation import durations, gojson, names
from labkit.mesh.validation.findings import listed, sentence
from labkit.mesh.validation.gotext import number, quoted

OBJECT, LIST = "map[string]json.RawMessage", "[]json.RawMessage"
_YAML_WORDS = {
    "expected the node content": "did not find expected node content",
    "expected ',' or '}'": "did not find expected ',' or '}'",
    "expected ',' or ']'": "did not find expected ',' or ']'",
    "mapping values are not allowed here": "mapping values are not allowed in this context",
}
"""How two parsers of one family put the same thing."""

Schema = Mapping[str, Any]
"""Field → its kind: a name (``text``, ``whole``, ``time``, …), the words of an enum, or fields of its own."""

MODES = ("REDIRECT", "TPROXY", "NONE")
_REMOTE: Schema = {"address": "text", "tlsSettings": "any", "tcpKeepalive": "any"}
_TRACING: Schema = {
    "zipkin": "any", "lightstep": "any", "datadog": "any", "stackdriver": "any", "openCensusAgent": "any",
    "sampling": "share", "customTags": "any", "maxPathTagLength": "natural", "tlsSettings": "any",
    "enableIstioTags": "flag",
}  # fmt: skip
_STATS: Schema = {"inclusionPrefixes": "texts", "inclusionSuffixes": "texts", "inclusionRegexps": "texts"}
SCHEMA: Schema = {
    "configPath": "text", "binaryPath": "text", "serviceCluster": "text", "drainDuration": "time",
    "parentShutdownDuration": "time", "discoveryAddress": "text", "statsdUdpAddress": "text", "proxyAdminPort": "whole",
    "controlPlaneAuthPolicy": ("NONE", "MUTUAL_TLS"), "customConfigFile": "text", "statNameLength": "whole",
    "concurrency": "whole", "proxyBootstrapTemplatePath": "text", "interceptionMode": MODES, "tracing": _TRACING,
    "envoyAccessLogService": _REMOTE, "envoyMetricsService": _REMOTE, "proxyMetadata": "map", "runtimeValues": "map",
    "statusPort": "whole", "extraStatTags": "texts", "terminationDrainDuration": "time", "meshId": "text",
    "readinessProbe": "any", "proxyStatsMatcher": _STATS, "holdApplicationUntilProxyStarts": "flag",
    "caCertificatesPem": "texts", "image": {"imageType": "text"}, "privateKeyProvider": "any", "proxyHeaders": "any",
    "fileFlushInterval": "time", "fileFlushMinSizeKb": "natural", "statsCompression": "flag",
    "tracingServiceName": ("APP_LABEL_AND_NAMESPACE", "CANONICAL_NAME_ONLY", "CANONICAL_NAME_AND_NAMESPACE"),
}  # fmt: skip
"""The fields in Istio's order; others are not read."""


def problem(text: str) -> str:
    """What is wrong with the text of an annotation; empty when nothing is."""
    complaint, value = _parsed(text)
    complaint = complaint or next(_types(SCHEMA, value, OBJECT), "")
    return f"failed to convert to apply proxy config: {complaint}" if complaint else _values(value or {})


def read(text: str) -> dict[str, Any]:
    """The settings of a text without a problem."""
    return _parsed(text)[1] or {}


def _parsed(text: str) -> tuple[str, Any]:
    try:
        value = yaml.safe_load(text)
        # YAML has values that JSON lacks: dates, binaries, keys of any type.
        return "", json.loads(json.dumps(value, default=str))
    except yaml.MarkedYAMLError as e:
        line = (e.problem_mark.line if e.problem_mark else 0) + 1
        words = next((ours for theirs, ours in _YAML_WORDS.items() if theirs in (e.problem or "")), e.problem)
        return f"yaml: line {line}: {words}", None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as e:
        return f"yaml: {str(e).splitlines()[0]}", None


def _types(schema: Schema, value: Any, title: str) -> Iterator[str]:
    """The first field of another type ends Istio's reading."""
    if value is None:
        return
    if not isinstance(value, dict):
        yield gojson.mismatch(value, title)
        return
    for field, kind in schema.items():
        yield from _field(kind, value.get(field))


def _field(kind: Any, value: Any) -> Iterator[str]:
    if value is None:
        return
    if isinstance(kind, dict):
        yield from _types(kind, value, OBJECT)
    elif isinstance(kind, tuple):
        if isinstance(value, str) and value not in kind:
            yield f"unknown value {quoted(json.dumps(value))} for enum istio.mesh.v1alpha1.ProxyConfig"
        elif not isinstance(value, str):
            yield from filter(None, [_whole(value, least=0, most=len(kind) - 1)])
    elif kind == "map":
        yield from _map(value)
    elif kind == "texts":
        if isinstance(value, list):
            yield from (gojson.mismatch(item, "string") for item in value if not isinstance(item, str | None))
        else:
            yield gojson.mismatch(value, LIST)
    else:
        yield from filter(None, [_SCALARS[kind](value)])


def _map(value: Any) -> Iterator[str]:
    if not isinstance(value, dict):
        yield gojson.mismatch(value, OBJECT)
        return
    yield from (gojson.mismatch(item, "string") for item in value.values() if not isinstance(item, str | None))


def _text(value: Any) -> str:
    return "" if isinstance(value, str) else gojson.mismatch(value, "string")


def _flag(value: Any) -> str:
    return "" if isinstance(value, bool) else gojson.mismatch(value, "bool")


def _whole(value: Any, *, least: int = -(2**31), most: int = 2**31 - 1) -> str:
    title = "uint32" if most > 2**31 else "int32"
    # A number may stand in quotes.
    if isinstance(value, str):
        if complaint := gojson.problem(value):
            return complaint
        value = json.loads(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return gojson.mismatch(value, title)
    is_whole = value == value // 1 and least <= value <= most
    return "" if is_whole else f"json: cannot unmarshal number {number(value)} into Go value of type {title}"


def _read(value: Any) -> int:
    """A whole number, which may stand in quotes."""
    return int(json.loads(value) if isinstance(value, str) else value)


def _share(value: Any) -> str:
    if isinstance(value, str):
        if complaint := gojson.problem(value):
            return complaint
        value = json.loads(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return "" if is_number else gojson.mismatch(value, "float64")


def _time(value: Any) -> str:
    if not isinstance(value, str):
        return gojson.mismatch(value, "string")
    return "" if durations.seconds(value) is not None else f"bad Duration: {durations.problem(value)}"


_SCALARS: Mapping[str, Callable[[Any], str]] = {
    "text": _text,
    "flag": _flag,
    "whole": _whole,
    "natural": partial(_whole, least=0, most=2**32 - 1),
    "share": _share,
    "time": _time,
    "any": lambda value: "" if isinstance(value, dict) else gojson.mismatch(value, OBJECT),
}


def _values(config: Mapping[str, Any]) -> str:
    """What Istio says of values that have the right types."""
    return sentence(map(listed, filter(None, _wrong_values(config))))


def _wrong_values(config: Mapping[str, Any]) -> Iterator[str]:
    if config.get("configPath") == "":
        yield "config path must be set"
    if config.get("binaryPath") == "":
        yield "binary path must be set"
    drain = durations.seconds(config["drainDuration"]) if config.get("drainDuration") else None
    if drain is not None and drain * 1000 < 1:
        yield "invalid drain duration: duration must be greater than 1ms"
    elif drain is not None and drain.denominator != 1:
        yield "drain time only supports durations to seconds precision"
    if config.get("discoveryAddress") == "":
        yield "discovery address must be set to the proxy discovery service"
    for field, word in (("discoveryAddress", "discovery"), ("statsdUdpAddress", "statsd udp")):
        if config.get(field) and (complaint := _address(config[field])):
            shown = f" {quoted(config[field])}" if word.startswith("statsd") else ""
            yield f"invalid {word} address{shown}: {complaint}"
    for field, word in (("proxyAdminPort", "proxy admin"), ("statusPort", "status")):
        if config.get(field) is not None and (complaint := names.port(_read(config[field]))):
            yield f"invalid {word} port: {complaint}"


def _address(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not colon:
        return f"unable to split {quoted(text)}: address {text}: missing port in address"
    if not names.is_number(port):
        return f"port ({port}) is not a number: strconv.Atoi: parsing {quoted(port)}: invalid syntax"
    return names.port(int(port)) or (
        f"{quoted(host)} is not a valid hostname or an IP address" if names.fqdn(host) else ""
    )
