"""A certificate authority for lessons: it signs for hosts and clients, and its keys stay in memory."""

import base64
import datetime
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.x509.oid import NameOID

from labkit.kube.resources import Object
from labkit.sandbox import certificates

LIFE = datetime.timedelta(days=30)
"""A lesson takes an hour; a cluster may keep the Secret for a while."""

GATEWAY_NAMESPACE = "istio-system"
"""Where a gateway looks for the Secrets that its servers name: in its own namespace."""


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A certificate and its key; the key is in no text that is shown."""

    name: str
    signed_by: str
    ends: datetime.datetime
    chain: bytes = field(repr=False)
    """PEM."""

    key: bytes = field(repr=False)
    """PEM."""

    def __repr__(self) -> str:
        return f"certificate of {self.name}, signed by {self.signed_by}, until {self.ends:%Y-%m-%d}"

    def secret(self, name: str, *, namespace: str = GATEWAY_NAMESPACE, trusting: "Authority | None" = None) -> Object:
        """The Secret that a Gateway names by ``credentialName``; ``trusting`` says whose clients it lets in."""
        data = {"tls.crt": self.chain, "tls.key": self.key}
        data |= {"ca.crt": trusting.pem} if trusting else {}
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": namespace},
            "type": "kubernetes.io/tls" if trusting is None else "Opaque",
            "data": {file: base64.b64encode(content).decode() for file, content in data.items()},
        }


class Authority:
    """``Authority("Course CA").issue("shop.example")``."""

    def __init__(self, name: str = "Course CA") -> None:
        self.name = name
        self._root = certificates.authority(_common(name), life=LIFE)

    def __repr__(self) -> str:
        return f"Authority({self.name!r})"

    @property
    def pem(self) -> bytes:
        """Its own certificate, which clients and servers trust."""
        return self._root.certificate_pem

    def issue(self, name: str, *, life: datetime.timedelta = LIFE) -> Issued:
        """For a host or a client of that name."""
        purposes = (certificates.SERVER, certificates.CLIENT)
        leaf = certificates.leaf(self._root, [x509.DNSName(name)], life=life, subject=_common(name), purposes=purposes)
        ends = leaf.certificate.not_valid_after_utc
        return Issued(name=name, signed_by=self.name, ends=ends, chain=leaf.certificate_pem, key=leaf.key_pem)


def _common(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
