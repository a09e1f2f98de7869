"""PeerAuthentication."""

from collections.abc import Iterator

from labkit.kube.resources import Object
from labkit.mesh.validation import selectors
from labkit.mesh.validation.findings import Finding, error


def findings(obj: Object) -> Iterator[Finding]:
    """What Istio says of one."""
    spec = obj.get("spec") or {}
    ports = spec.get("portLevelMtls")
    if ports and not (spec.get("selector") or {}).get("matchLabels"):
        yield error("mesh/namespace peer authentication cannot have port level mTLS")
    if ports is not None and not ports:
        yield error("port level mTLS, if defined, must have at least one element")
    if any(not 1 <= int(port) <= 65535 for port in ports or ()):
        yield error("port must be in range 1..65535")
    yield from selectors.match_labels(spec.get("selector"))
