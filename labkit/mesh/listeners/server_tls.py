"""The ``tls`` of a Gateway's server: which certificate it shows, and what it asks of clients."""

from collections.abc import Mapping
from typing import Any

from labkit.mesh import ir
from labkit.mesh.validation import servertls

Spec = Mapping[str, Any]

VERSIONS = {"TLSV1_0": "1.0", "TLSV1_1": "1.1", "TLSV1_2": "1.2", "TLSV1_3": "1.3"}
"""Every other word leaves it to Envoy."""


def read(spec: Spec, *, is_http: bool) -> ir.EdgeTls:
    """How the server takes clients."""
    mode = spec.get("mode", "SIMPLE")
    certificates, authority = credentials(spec)
    asks = mode in ("MUTUAL", "ISTIO_MUTUAL")
    return ir.EdgeTls(
        is_http=is_http,
        certificates=tuple(certificates),
        authority=authority if asks or mode == "OPTIONAL_MUTUAL" else "",
        revoked_file=str(spec.get("caCrl") or ""),
        requires_certificate=asks,
        names=tuple(spec.get("subjectAltNames") or ()),
        least_version=VERSIONS.get(spec.get("minProtocolVersion", ""), ""),
        last_version=VERSIONS.get(spec.get("maxProtocolVersion", ""), ""),
        # Istio leaves out what it does not know.
        suites=tuple(s for s in dict.fromkeys(spec.get("cipherSuites") or ()) if s in servertls.CIPHERS),
    )


def credentials(spec: Spec) -> tuple[list[str], str]:
    """(secrets with the server's certificates, the secret with who is trusted)."""
    if spec.get("mode") == "ISTIO_MUTUAL":
        return ["default"], "ROOTCA"
    given = [c for c in [spec.get("credentialName"), *(spec.get("credentialNames") or ())] if c]
    named = [c if "://" in c else f"kubernetes://{c}" for c in given]
    if not named and spec.get("serverCertificate"):
        named = [f"file-cert:{spec['serverCertificate']}~{spec.get('privateKey', '')}"]
        return named, f"file-root:{spec.get('caCertificates', '')}"
    # A Secret may hold the trusted certificate itself, or its neighbour NAME-cacert does.
    trusted = spec.get("caCertCredentialName")
    first = f"kubernetes://{trusted}" if trusted else f"{named[0]}-cacert" if named else "ROOTCA"
    return named, first
