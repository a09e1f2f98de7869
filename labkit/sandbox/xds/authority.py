"""The mesh's certificate authority: one root for the mesh, a short-lived certificate for each service account."""

import base64
import datetime
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from labkit.kube.resources import Object

ROOT_LIFE = datetime.timedelta(days=3650)
LEAF_LIFE = datetime.timedelta(hours=24)
"""As Istio's default for workloads."""

SECRET = "istio-ca-secret"
"""Where Istio keeps a root that it made itself."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A certificate chain and its key, PEM."""

    chain: str
    key: str
    expires: datetime.datetime


class Authority:
    """Signs for one root."""

    def __init__(self, certificate: bytes, key: bytes) -> None:
        self.root = certificate.decode()
        self._certificate = x509.load_pem_x509_certificate(certificate)
        loaded = serialization.load_pem_private_key(key, None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        self._key, self._key_pem = loaded, key

    @classmethod
    def new(cls) -> "Authority":
        """A fresh self-signed root."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "cluster.local")])
        now = datetime.datetime.now(datetime.UTC)
        root = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=2))
            .not_valid_after(now + ROOT_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(root.public_bytes(serialization.Encoding.PEM), _pem(key))

    @classmethod
    def from_secret(cls, secret: Object) -> "Authority":
        """The root kept in Istio's Secret."""
        data = secret["data"]
        return cls(base64.b64decode(data["ca-cert.pem"]), base64.b64decode(data["ca-key.pem"]))

    def as_secret(self, namespace: str) -> Object:
        """The Secret that keeps it."""
        data = {"ca-cert.pem": self.root.encode(), "ca-key.pem": self._key_pem}
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET, "namespace": namespace},
            "type": "istio.io/ca-root",
            "data": {name: base64.b64encode(value).decode() for name, value in data.items()},
        }

    def workload(self, namespace: str, account: str) -> Certificate:
        """For a proxy: its SPIFFE name and nothing else."""
        name = f"spiffe://cluster.local/ns/{namespace}/sa/{account}"
        return self._signed([x509.UniformResourceIdentifier(name)], critical=True)

    def server(self, *names: str) -> Certificate:
        """For istiod itself."""
        return self._signed([x509.DNSName(name) for name in names], critical=False)

    def _signed(self, names: list[x509.GeneralName], *, critical: bool) -> Certificate:
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        expires = now + LEAF_LIFE
        leaf = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self._certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=2))
            .not_valid_after(expires)
            .add_extension(x509.SubjectAlternativeName(names), critical=critical)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        chain = leaf.public_bytes(serialization.Encoding.PEM).decode()
        return Certificate(chain=chain, key=_pem(key).decode(), expires=expires)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
