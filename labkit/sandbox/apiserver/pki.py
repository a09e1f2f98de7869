"""The API's own certificate authority: one for each lab, on its disk, never installed anywhere."""

import datetime
import ipaddress
import os
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

YEARS = datetime.timedelta(days=3650)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Files of the server: they are made once, so that a restart keeps kubeconfigs and tokens valid."""

    authority: Path
    certificate: Path
    key: Path

    @property
    def root_ca(self) -> str:
        """The authority's certificate, PEM."""
        return self.authority.read_text()

    def context(self) -> ssl.SSLContext:
        """For the listener."""
        found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        found.minimum_version = ssl.TLSVersion.TLSv1_2
        found.load_cert_chain(self.certificate, self.key)
        found.set_alpn_protocols(["http/1.1"])
        return found


def identity(folder: Path) -> Identity:
    """The identity kept in a folder, made when it is not there."""
    found = Identity(authority=folder / "ca.crt", certificate=folder / "apiserver.crt", key=folder / "apiserver.key")
    if not all(p.exists() for p in (found.authority, found.certificate, found.key)):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make(found)
    return found


def _make(files: Identity) -> None:
    root_key = ec.generate_private_key(ec.SECP256R1())
    root_name = _name("kubernetes")
    root = (
        _builder(root_name, root_name, root_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    names.append("kubernetes.default.svc.cluster.local")
    addresses = [x509.IPAddress(ipaddress.ip_address(a)) for a in ("127.0.0.1", "10.96.0.1")]
    leaf = (
        _builder(_name("kube-apiserver"), root_name, key.public_key())
        .add_extension(x509.SubjectAlternativeName([*map(x509.DNSName, names), *addresses]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    # The authority's own key is dropped: nobody can sign for it any more.
    files.authority.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    files.certificate.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    private(files.key, pem(key))


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key, PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, from its first moment on."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(content)
    draft.replace(path)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + YEARS)
    )
