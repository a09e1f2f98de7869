"""X.509 certificates as RFC 5280 asks for them; Python 3.13 and newer verify that (``ssl.VERIFY_X509_STRICT``)."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
"""We make the former; who brings an authority of their own may have the latter."""

SKEW = datetime.timedelta(minutes=2)
"""How far a certificate's life begins in the past, for clocks that differ."""

NOBODY = x509.Name([])


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: PrivateKey

    @property
    def certificate_pem(self) -> bytes:
        """The certificate in PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key in PEM, not encrypted."""
        return key_pem(self.key)


def new_key() -> ec.EllipticCurvePrivateKey:
    """A fresh P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: PrivateKey) -> bytes:
    """A key in PEM, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def authority(subject: x509.Name, *, life: datetime.timedelta, path_length: int | None = None) -> Issued:
    """A self-signed certificate that may sign others."""
    key = new_key()
    certificate = (
        _builder(subject, subject, key.public_key(), life)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Issued(certificate=certificate, key=key)


def leaf(
    issuer: Issued,
    names: Sequence[x509.GeneralName],
    *,
    life: datetime.timedelta,
    subject: x509.Name = NOBODY,
    purposes: Sequence[ObjectIdentifier] = (SERVER,),
) -> Issued:
    """A certificate for ``names``, with a key of its own, signed by ``issuer``."""
    key = new_key()
    certificate = (
        _builder(subject, issuer.certificate.subject, key.public_key(), life)
        # Section 4.2.1.6: the extension is critical where the subject is empty.
        .add_extension(x509.SubjectAlternativeName(names), critical=subject == NOBODY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()),
            critical=False,
        )
        .sign(issuer.key, hashes.SHA256())
    )
    return Issued(certificate=certificate, key=key)


def load(certificate: bytes, key: bytes) -> Issued:
    """What was kept in PEM; ValueError when it is damaged or the key belongs to another certificate."""
    loaded = serialization.load_pem_private_key(key, None)
    kept = x509.load_pem_x509_certificate(certificate)
    if not isinstance(loaded, PrivateKey) or kept.public_key() != loaded.public_key():
        raise ValueError("the key is not the certificate's")
    return Issued(certificate=kept, key=loaded)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, life: datetime.timedelta
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        # RFC 8813: an elliptic curve key must not claim keyEncipherment.
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
