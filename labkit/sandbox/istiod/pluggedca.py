"""An authority that the mesh's owner brings, in the files of the Secret ``cacerts``."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from labkit.sandbox import certificates

CERTIFICATE, KEY, CHAIN, ROOT = "ca-cert.pem", "ca-key.pem", "cert-chain.pem", "root-cert.pem"
"""The Secret's files (istio.io, Plug in CA Certificates)."""

LONGEST = 10
"""Certificates between a leaf and its root; nobody has more."""


@dataclass(frozen=True, kw_only=True)
class Plugged:
    """What the Secret holds, verified."""

    issuer: certificates.Issued
    chain: str
    """What every leaf is sent with."""

    root: str


def read(data: Mapping[str, bytes]) -> Plugged:
    """The authority; ValueError names the file that does not fit."""
    for name in (CERTIFICATE, KEY, CHAIN, ROOT):
        if not data.get(name, b"").strip():
            raise ValueError(f"Secret cacerts has no {name}")
    try:
        issuer = certificates.load(data[CERTIFICATE], data[KEY])
    except (ValueError, TypeError) as e:
        raise ValueError(f"{CERTIFICATE} and {KEY} of Secret cacerts do not fit together: {e}") from e
    chain, roots = _certificates(data[CHAIN], CHAIN), _certificates(data[ROOT], ROOT)
    _require_authority(issuer.certificate)
    if not _leads_to(roots, issuer.certificate, [*chain, *roots]):
        raise ValueError(f"{CERTIFICATE} of Secret cacerts is not signed by {ROOT}, not even through {CHAIN}")
    return Plugged(issuer=issuer, chain=_text(data[CHAIN]), root=_text(data[ROOT]))


def _certificates(pem: bytes, name: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as e:
        raise ValueError(f"{name} of Secret cacerts holds no certificate in PEM: {e}") from e


def _require_authority(certificate: x509.Certificate) -> None:
    now = datetime.datetime.now(datetime.UTC)
    try:
        is_authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_authority = False
    if not is_authority:
        raise ValueError(f"{CERTIFICATE} of Secret cacerts is not the certificate of an authority (CA:TRUE)")
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
        raise ValueError(f"{CERTIFICATE} of Secret cacerts is not valid now: it ends {certificate.not_valid_after_utc}")


def _leads_to(
    roots: Sequence[x509.Certificate], certificate: x509.Certificate, others: Sequence[x509.Certificate]
) -> bool:
    current = certificate
    for _ in range(LONGEST):
        if current in roots:
            return True
        issuer = next((other for other in others if other != current and _is_signed_by(current, other)), None)
        if issuer is None:
            return False
        current = issuer
    return False


def _is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _text(pem: bytes) -> str:
    return pem.decode().rstrip("\n") + "\n"
