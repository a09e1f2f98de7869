"""The mesh's certificate authority: one root for the mesh, a short-lived certificate for each service account."""

import base64
import datetime
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from labkit.kube.resources import Object
from labkit.sandbox import certificates

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

    def __init__(self, issuer: certificates.Issued) -> None:
        self._issuer = issuer
        self.root = issuer.certificate_pem.decode()

    @classmethod
    def new(cls) -> "Authority":
        """A fresh self-signed root."""
        name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "cluster.local")])
        return cls(certificates.authority(name, life=ROOT_LIFE))

    @classmethod
    def from_secret(cls, secret: Object) -> "Authority":
        """The root kept in Istio's Secret."""
        data = secret["data"]
        return cls(certificates.load(*(base64.b64decode(data[name]) for name in ("ca-cert.pem", "ca-key.pem"))))

    def as_secret(self, namespace: str) -> Object:
        """The Secret that keeps it."""
        data = {"ca-cert.pem": self._issuer.certificate_pem, "ca-key.pem": self._issuer.key_pem}
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET, "namespace": namespace},
            "type": "istio.io/ca-root",
            "data": {name: base64.b64encode(value).decode() for name, value in data.items()},
        }

    def workload(self, namespace: str, account: str) -> Certificate:
        """For a proxy: its SPIFFE name and nothing else."""
        return self._signed([x509.UniformResourceIdentifier(f"spiffe://cluster.local/ns/{namespace}/sa/{account}")])

    def server(self, *names: str) -> Certificate:
        """For istiod itself."""
        return self._signed([x509.DNSName(name) for name in names])

    def _signed(self, names: list[x509.GeneralName]) -> Certificate:
        leaf = certificates.leaf(
            self._issuer, names, life=LEAF_LIFE, purposes=(certificates.SERVER, certificates.CLIENT)
        )
        return Certificate(
            chain=leaf.certificate_pem.decode(),
            key=leaf.key_pem.decode(),
            expires=leaf.certificate.not_valid_after_utc,
        )
