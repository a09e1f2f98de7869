"""Rows of ``proxy-config secret``: what certificates say of themselves."""

import base64
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from cryptography import x509

HEADER = ("RESOURCE NAME", "TYPE", "STATUS", "VALID CERT", "SERIAL NUMBER", "NOT AFTER", "NOT BEFORE")


def rows(secrets: Sequence[tuple[str, Any]]) -> Iterator[tuple[str, ...]]:
    """One a secret: its first certificate."""
    for word, entry in secrets:
        secret, name = entry.get("secret") or {}, entry.get("name", "")
        kind, source = _source(secret)
        pem = _pem(source)
        if not pem:
            yield name, kind, word, "false", "-", "-", "-"
            continue
        certificate = x509.load_pem_x509_certificates(pem)[0]
        after, before = certificate.not_valid_after_utc, certificate.not_valid_before_utc
        is_valid = before <= datetime.now(UTC) <= after
        yield name, kind, word, str(is_valid).lower(), f"{certificate.serial_number:x}", _time(after), _time(before)


def _source(secret: Any) -> tuple[str, Any]:
    if "tls_certificate" in secret:
        return "Cert Chain", secret["tls_certificate"].get("certificate_chain") or {}
    context = secret.get("validation_context") or {}
    return "CA", context.get("trusted_ca") or {}


def _pem(source: Any) -> bytes:
    if "inline_bytes" in source:
        return base64.b64decode(source["inline_bytes"])
    return str(source.get("inline_string", "")).encode()


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
