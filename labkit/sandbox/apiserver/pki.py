"""Keys and certificates of one lab: an authority of its own, the server's certificate, the key of tokens."""

import datetime
import ipaddress
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID = datetime.timedelta(days=365)
RENEW_BEFORE = datetime.timedelta(days=30)
NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """The files of one lab's server, in a folder that only its owner can read."""

    folder: Path

    @property
    def authority(self) -> Path:
        """The certificate clients trust; its key is thrown away once the server's certificate is signed."""
        return self.folder / "ca.crt"

    @property
    def certificate(self) -> Path:
        """The server's certificate with its key (0600)."""
        return self.folder / "server.pem"

    @property
    def token_key(self) -> Path:
        """The key that signs ServiceAccount tokens (0600)."""
        return self.folder / "tokens.pem"

    @property
    def admin_token(self) -> Path:
        """The bearer token of the kubeconfig (0600)."""
        return self.folder / "admin.token"


def credentials(folder: Path) -> Credentials:
    """The lab's credentials: those in the folder, or new ones where they are missing or run out."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    found = Credentials(folder=folder)
    if not _is_valid(found):
        _issue(found)
    if not found.token_key.exists():
        write_secret(found.token_key, _pem(ec.generate_private_key(ec.SECP256R1())))
    if not found.admin_token.exists():
        write_secret(found.admin_token, secrets.token_urlsafe(32).encode())
    return found


def write_secret(path: Path, data: bytes) -> None:
    """Write a file that nobody else can read at any moment; it replaces an older one at once."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(data)
    draft.replace(path)


def _is_valid(known: Credentials) -> bool:
    if not (known.authority.exists() and known.certificate.exists()):
        return False
    certificate = x509.load_pem_x509_certificate(known.certificate.read_bytes())
    return certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC) > RENEW_BEFORE


def _issue(known: Credentials) -> None:
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "labkit")])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    authority = (
        _builder(ca_name, ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    addresses = [x509.IPAddress(ipaddress.ip_address(a)) for a in ("127.0.0.1", "10.96.0.1")]
    certificate = (
        _builder(name, ca_name, key.public_key())
        .add_extension(x509.SubjectAlternativeName([*map(x509.DNSName, NAMES), *addresses]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    write_secret(known.certificate, certificate.public_bytes(serialization.Encoding.PEM) + _pem(key))
    known.authority.write_bytes(authority.public_bytes(serialization.Encoding.PEM))


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + VALID)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
