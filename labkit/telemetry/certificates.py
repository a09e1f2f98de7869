"""Certificates that proxies hold, read from what their Envoys dump; keys are never in it."""

import base64
import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509

ASK = "config_dump?resource=dynamic_active_secrets"
"""The admin page with what came by SDS; certificates stand in it whole, and keys as ``[redacted]``."""

SKEW = datetime.timedelta(minutes=2)
"""Workload certificates begin so far in the past, for clocks that differ (Istio's ClockSkewGracePeriod)."""

OWN, ROOT = "default", "ROOTCA"


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """One certificate of a chain."""

    subject: str
    """``spiffe://cluster.local/ns/default/sa/bookinfo-reviews``, a host name, or the distinguished name."""

    issuer: str
    serial: str
    begins: datetime.datetime
    ends: datetime.datetime


@dataclass(frozen=True, kw_only=True)
class Held:
    """The certificate that a proxy shows for one purpose, and what it trusts."""

    proxy: str
    """The pod."""

    name: str
    """The secret's: ``default`` for the workload's own, ``kubernetes://shop`` for one of a gateway's hosts."""

    chain: Sequence[Certificate]
    """The proxy's own first."""

    roots: Sequence[Certificate] = ()

    @property
    def life(self) -> datetime.timedelta:
        """How long it was made for."""
        whole = self.own.ends - self.own.begins
        return whole - SKEW if self.name == OWN and whole > SKEW else whole

    @property
    def own(self) -> Certificate:
        """The certificate that carries the identity."""
        return self.chain[0]


def held(dumps: Mapping[str, str]) -> list[Held]:
    """By pod, from the text of ``ASK``; secrets without a certificate are left out."""
    return [entry for pod, text in sorted(dumps.items()) for entry in _of_proxy(pod, _secrets(text))]


def _secrets(text: str) -> dict[str, Mapping[str, Any]]:
    configs = json.loads(text or "{}").get("configs") or []
    return {entry.get("name", ""): entry.get("secret") or {} for entry in configs}


def _of_proxy(pod: str, secrets: Mapping[str, Mapping[str, Any]]) -> Iterator[Held]:
    for name, secret in secrets.items():
        chain = _certificates((secret.get("tls_certificate") or {}).get("certificate_chain") or {})
        if chain:
            yield Held(
                proxy=pod, name=name, chain=chain, roots=_trusted(secrets, ROOT if name == OWN else f"{name}-cacert")
            )


def _trusted(secrets: Mapping[str, Mapping[str, Any]], name: str) -> Sequence[Certificate]:
    context = secrets.get(name, {}).get("validation_context") or {}
    return _certificates(context.get("trusted_ca") or {})


def _certificates(source: Mapping[str, str]) -> tuple[Certificate, ...]:
    pem = source.get("inline_string", "").encode() or base64.b64decode(source.get("inline_bytes", ""))
    try:
        return tuple(map(_certificate, x509.load_pem_x509_certificates(pem))) if pem else ()
    except ValueError:
        return ()  # a Secret may hold anything; Envoy has refused it then, and says so elsewhere


def _certificate(parsed: x509.Certificate) -> Certificate:
    return Certificate(
        subject=next(_names(parsed), "") or parsed.subject.rfc4514_string() or "(no name)",
        issuer=parsed.issuer.rfc4514_string() or "(no name)",
        serial=f"{parsed.serial_number:x}",
        begins=parsed.not_valid_before_utc,
        ends=parsed.not_valid_after_utc,
    )


def _names(parsed: x509.Certificate) -> Iterator[str]:
    try:
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    for kind in (x509.UniformResourceIdentifier, x509.DNSName):
        yield from map(str, names.get_values_for_type(kind))
