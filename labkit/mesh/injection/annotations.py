"""Which values an annotation of a pod may have, and what is wrong with others, in Istio's words."""

import re
from collections.abc import Callable, Iterator, Mapping

from labkit.mesh.injection import proxyconfig, uservolumes
from labkit.mesh.validation import addresses
from labkit.mesh.validation.gotext import quoted

Check = Callable[[str], str]
"""The problem of a value; empty when there is none."""

TRAFFIC = "traffic.sidecar.istio.io/"
READINESS = "readiness.status.sidecar.istio.io/"
MODE, STATUS_PORT = "sidecar.istio.io/interceptionMode", "status.sidecar.istio.io/port"
PROXY_CONFIG, MERGE_METRICS = "proxy.istio.io/config", "prometheus.istio.io/merge-metrics"
USER_VOLUME, USER_MOUNT = "sidecar.istio.io/userVolume", "sidecar.istio.io/userVolumeMount"
PROXY_RESOURCES = {
    ("requests", "cpu"): "sidecar.istio.io/proxyCPU",
    ("requests", "memory"): "sidecar.istio.io/proxyMemory",
    ("limits", "cpu"): "sidecar.istio.io/proxyCPULimit",
    ("limits", "memory"): "sidecar.istio.io/proxyMemoryLimit",
}
MODES = ("REDIRECT", "TPROXY", "NONE")
_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")
_QUANTITY = r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
_DIGITS = re.compile(r"[0-9]+")


def boolean(text: str) -> bool | None:
    """A text as Go's ParseBool reads it; None when it does not."""
    return True if text in _TRUE else False if text in _FALSE else None


def problems(annotations: Mapping[str, str]) -> list[str]:
    """A sentence for each annotation whose value makes no sense."""
    return list(_problems(annotations))


def _problems(annotations: Mapping[str, str]) -> Iterator[str]:
    for name, value in sorted(annotations.items()):
        check = CHECKS.get(name)
        if check is not None and (problem := check(value)):
            yield f"invalid value '{value}' for annotation '{name}': {problem}"


def _mode(value: str) -> str:
    return "" if value in MODES else f"interceptionMode invalid, use REDIRECT,TPROXY,NONE: {value}"


def _unsigned(value: str, *, bits: int = 32) -> str:
    if not _DIGITS.fullmatch(value):
        return f"strconv.ParseUint: parsing {quoted(value)}: invalid syntax"
    is_small = int(value) < 2**bits
    return "" if is_small else f"strconv.ParseUint: parsing {quoted(value)}: value out of range"


def _boolean(value: str) -> str:
    return "" if boolean(value) is not None else f"strconv.ParseBool: parsing {quoted(value)}: invalid syntax"


def _port(value: str) -> str:
    problem = _unsigned(value.strip(), bits=16)
    return f"failed parsing port '{value}': {problem}" if problem else ""


def _status_port(value: str) -> str:
    # Istio's text names another annotation.
    return f"excludeInboundPorts invalid: {problem}" if (problem := _port(value)) else ""


def _ports(name: str) -> Check:
    def check(value: str) -> str:
        if value == "*" and name.startswith("include"):
            return ""
        for port in value.strip().split(",") if value.strip() else ():
            if problem := _port(port):
                return f"{name} invalid: failed parsing port '{port}': {problem}"
        return ""

    return check


def _ranges(name: str) -> Check:
    def check(value: str) -> str:
        if value == "*" and name.startswith("include"):
            return ""
        for cidr in value.split(",") if value else ():
            if problem := addresses.prefix(cidr):
                return f"{name} invalid: failed parsing cidr '{cidr}': {problem}"
        return ""

    return check


def _quantity(value: str) -> str:
    return "" if re.match(_QUANTITY, value) else f"quantities must match the regular expression '{_QUANTITY}'"


CHECKS: Mapping[str, Check] = {
    MODE: _mode,
    STATUS_PORT: _status_port,
    f"{READINESS}initialDelaySeconds": _unsigned,
    f"{READINESS}periodSeconds": _unsigned,
    f"{READINESS}failureThreshold": _unsigned,
    f"{TRAFFIC}includeOutboundIPRanges": _ranges("includeIPRanges"),
    f"{TRAFFIC}excludeOutboundIPRanges": _ranges("excludeIPRanges"),
    f"{TRAFFIC}includeInboundPorts": _ports("includeInboundPorts"),
    f"{TRAFFIC}excludeInboundPorts": _ports("excludeInboundPorts"),
    f"{TRAFFIC}includeOutboundPorts": _ports("includeOutboundPorts"),
    f"{TRAFFIC}excludeOutboundPorts": _ports("excludeOutboundPorts"),
    MERGE_METRICS: _boolean,
    PROXY_CONFIG: proxyconfig.problem,
    USER_VOLUME: uservolumes.problem,
    USER_MOUNT: uservolumes.problem,
    **dict.fromkeys(PROXY_RESOURCES.values(), _quantity),
}
"""Annotation → its check. Istio reads the others as they are."""
