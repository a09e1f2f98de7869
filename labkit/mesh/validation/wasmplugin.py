"""WasmPlugin and ProxyConfig."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from labkit.kube.resources import Object
from labkit.mesh.validation import selectors
from labkit.mesh.validation.findings import Finding, each, error
from labkit.mesh.validation.gotext import quoted

SCHEMES = ("", "file", "http", "https", "oci")
_DIGEST = re.compile(r"[a-f0-9]{64}")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?!\d)")


def findings(obj: Object) -> Iterator[Finding]:
    """What Istio says of a WasmPlugin."""
    spec = obj.get("spec") or {}
    yield from selectors.of_policy(spec)
    if problem := _url(spec.get("url") or ""):
        yield error(problem)
    digest = spec.get("sha256") or ""
    if digest and len(digest) != 64:
        yield error("sha256 field must be 64 characters long")
    elif digest and not _DIGEST.fullmatch(digest):
        yield error("sha256 field must match [a-f0-9]{64} pattern")
    if len(spec.get("imagePullSecret") or "") > 253:
        yield error("imagePullSecret field must be less than 253 characters long")
    if len(spec.get("pluginName") or "") > 256:
        yield error("pluginName field must be less than 255 characters long")
    if any(not variable.get("name") for variable in each((spec.get("vmConfig") or {}).get("env"))):
        yield error("spec.vmConfig.env invalid")


def _url(url: str) -> str:
    if not url:
        return "url field needs to be set"
    try:
        urlsplit(url)
    except ValueError:
        return f"failed to parse url: parse {quoted(url)}: invalid URI for request"
    scheme = _SCHEME.match(url)
    name = scheme[1].lower() if scheme else ""
    return "" if name in SCHEMES else f"url contains unsupported scheme: {name}"


def proxy_config(obj: Object) -> Iterator[Finding]:
    """What Istio says of a ProxyConfig."""
    spec = obj.get("spec") or {}
    yield from selectors.match_labels(spec.get("selector"))
    if (spec.get("concurrency") or 0) < 0:
        yield error("concurrency must be greater than or equal to 0")
