"""How a server of a Gateway or of a Sidecar does TLS."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.mesh.validation.findings import Finding, error, warning

CIPHERS = frozenset(
    {
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA", "ECDHE-RSA-AES256-SHA",
        "AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-SHA", "AES256-SHA", "DES-CBC3-SHA",
    }
)  # fmt: skip
PASSTHROUGH = "PASSTHROUGH"
_FILES = (
    ("serverCertificate", "server certificate"),
    ("privateKey", "private key"),
    ("caCertificates", "CA bundle"),
    ("credentialName", "credentialName"),
)
_SECRETS = ("credentialName", "credentialNames", "tlsCertificates")


def is_passthrough(tls: Mapping[str, Any]) -> bool:
    """Whether connections are passed on as they are."""
    return tls.get("mode", PASSTHROUGH) in (PASSTHROUGH, "AUTO_PASSTHROUGH")


def findings(tls: Mapping[str, Any] | None) -> Iterator[Finding]:
    """What Istio says of ``tls``."""
    if tls is None:
        return
    mode, suites = tls.get("mode", PASSTHROUGH), tls.get("cipherSuites") or []
    if tls.get("minProtocolVersion") in ("TLSV1_0", "TLSV1_1") and not suites:
        yield warning(
            "TLS version below TLSV1_2 require setting compatible ciphers as by default they no longer include "
            "compatible ciphers."
        )
    yield from _suites(suites)
    if mode == "ISTIO_MUTUAL":
        for field, word in _FILES:
            if tls.get(field):
                yield error(f"ISTIO_MUTUAL TLS cannot have associated {word}")
        return
    if is_passthrough(tls) and any(tls.get(k) for k in ("caCrl", *(field for field, _ in _FILES))):
        yield warning(f"{mode} mode does not use certificates, they will be ignored")
    if not is_passthrough(tls) and any(tls.get(key) for key in _SECRETS):
        return
    yield from _certificates(mode, tls)


def _certificates(mode: str, tls: Mapping[str, Any]) -> Iterator[Finding]:
    word = "SIMPLE" if mode == "SIMPLE" else "MUTUAL"
    if mode in ("SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL"):
        if not tls.get("serverCertificate"):
            yield error(f"{word} TLS requires a server certificate")
        if not tls.get("privateKey"):
            yield error(f"{word} TLS requires a private key")
        if word == "MUTUAL" and not (tls.get("caCertificates") or tls.get("caCertCredentialName")):
            yield error("MUTUAL TLS requires a client CA bundle")
    if tls.get("caCrl"):
        if tls.get("credentialName"):
            yield error("CRL is not supported with credentialName. CRL has to be specified in the credential")
        if mode == "SIMPLE":
            yield error("CRL is not supported with SIMPLE TLS")


def _suites(suites: list[str]) -> Iterator[Finding]:
    unknown = {suite for suite in suites if not _is_suite(suite)}
    repeated = {suite for at, suite in enumerate(suites) if suite in suites[:at]} - unknown
    for names, why in ((unknown, "invalid"), (repeated, "duplicate")):
        if names:
            yield warning(f"ignoring {why} cipher suites: [{' '.join(sorted(names))}]")


def _is_suite(suite: str) -> bool:
    # Operators such as -AES128 and expressions such as [A|B] are not looked into.
    return suite in ("", "ALL") or not re.match(r"\w", suite) or suite in CIPHERS
