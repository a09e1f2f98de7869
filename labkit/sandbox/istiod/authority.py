"""The mesh's certificate authority: its own root or one that was plugged in, and a certificate for each proxy."""

import base64
import datetime
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from labkit.kube.resources import Object
from labkit.mesh import durations, model, names
from labkit.sandbox import certificates
from labkit.sandbox.istiod import pluggedca

ROOT_LIFE = datetime.timedelta(days=3650)
"""Of a root that istiod makes, and of istiod's own certificate, as in Istio."""

SECRET = "istio-ca-secret"
"""Where Istio keeps a root that it made itself."""

PLUGGED_IN = "cacerts"
"""The Secret that brings an authority of the mesh's owner (istio.io, Plug in CA Certificates)."""


class LifetimeError(Exception):
    """A proxy asks for a certificate that lives longer than the authority allows."""


@dataclass(frozen=True, kw_only=True)
class Lifetimes:
    """How long workload certificates live."""

    default: datetime.timedelta = datetime.timedelta(hours=24)
    """Where a proxy asks for none (``SECRET_TTL`` of 0)."""

    longest: datetime.timedelta = datetime.timedelta(days=90)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Lifetimes":
        """By istiod's own variables, ``DEFAULT_WORKLOAD_CERT_TTL`` and ``MAX_WORKLOAD_CERT_TTL``."""
        words = {"default": "DEFAULT_WORKLOAD_CERT_TTL", "longest": "MAX_WORKLOAD_CERT_TTL"}
        given = {field: durations.seconds(env.get(word, "")) for field, word in words.items()}
        return cls(**{field: datetime.timedelta(seconds=length) for field, length in given.items() if length})

    def of(self, asked: float) -> datetime.timedelta:
        """The life of a certificate that is asked for with ``asked`` seconds."""
        life = datetime.timedelta(seconds=asked) if asked > 0 else self.default
        if life > self.longest:
            raise LifetimeError(f"requested TTL {life} is greater than the max allowed TTL {self.longest}")
        return life


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A certificate chain and its key, PEM."""

    chain: str
    key: str
    expires: datetime.datetime


class Authority:
    """Signs for one root, itself or by an intermediate certificate."""

    @property
    def expires(self) -> datetime.datetime:
        """When the issuer's own certificate ends."""
        return self._issuer.certificate.not_valid_after_utc

    def __init__(self, issuer: certificates.Issued, *, chain: str = "", root: str = "") -> None:
        self._issuer, self._chain = issuer, chain
        self.root = root or issuer.certificate_pem.decode()
        """What proxies trust: one certificate or, while a root is replaced, several."""

    @property
    def signs_as(self) -> str:
        """The certificate that it signs by, and what every leaf is sent with."""
        return self._issuer.certificate_pem.decode() + self._chain

    @classmethod
    def new(cls) -> "Authority":
        """A fresh self-signed root."""
        name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, model.TRUST_DOMAIN)])
        return cls(certificates.authority(name, life=ROOT_LIFE))

    @classmethod
    def from_secret(cls, secret: Object) -> "Authority":
        """The authority kept in a Secret: Istio's own, or ``cacerts``; ValueError says what is wrong with it."""
        data = {name: base64.b64decode(value) for name, value in (secret.get("data") or {}).items()}
        if secret["metadata"]["name"] == PLUGGED_IN:
            plugged = pluggedca.read(data)
            return cls(plugged.issuer, chain=plugged.chain, root=plugged.root)
        return cls(certificates.load(data["ca-cert.pem"], data["ca-key.pem"]))

    def as_secret(self, namespace: str) -> Object:
        """The Secret that keeps a root that istiod made."""
        data = {"ca-cert.pem": self._issuer.certificate_pem, "ca-key.pem": self._issuer.key_pem}
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET, "namespace": namespace},
            "type": "istio.io/ca-root",
            "data": {name: base64.b64encode(value).decode() for name, value in data.items()},
        }

    def workload(
        self,
        namespace: str,
        account: str,
        *,
        life: datetime.timedelta = Lifetimes.default,
        trust_domain: str = model.TRUST_DOMAIN,
    ) -> Certificate:
        """For a proxy: its SPIFFE name and nothing else."""
        identity = names.spiffe(f"{namespace}/{account}", trust_domain)
        return self._signed([x509.UniformResourceIdentifier(identity)], life)

    def server(self, *hosts: str) -> Certificate:
        """For istiod itself; nobody renews it, so it lives as long as a root."""
        return self._signed([x509.DNSName(name) for name in hosts], ROOT_LIFE)

    def _signed(self, subjects: list[x509.GeneralName], life: datetime.timedelta) -> Certificate:
        left = self._issuer.certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
        leaf = certificates.leaf(
            self._issuer, subjects, life=min(life, left), purposes=(certificates.SERVER, certificates.CLIENT)
        )
        return Certificate(
            chain=leaf.certificate_pem.decode() + self._chain,
            key=leaf.key_pem.decode(),
            expires=leaf.certificate.not_valid_after_utc,
        )
