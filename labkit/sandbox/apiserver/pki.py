"""Keys and certificates of one lab: an authority of its own, the server's certificate, the key of tokens."""

import datetime
import ipaddress
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from labkit.base import private
from labkit.sandbox import certificates

VALID = datetime.timedelta(days=365)
RENEW_BEFORE = datetime.timedelta(days=30)
NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
ADDRESSES = ("127.0.0.1", "10.96.0.1")


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
    files = Credentials(folder=folder)
    if not _is_valid(files):
        _issue(files)
    if not files.token_key.exists():
        private.write(files.token_key, certificates.key_pem(certificates.new_key()))
    if not files.admin_token.exists():
        private.write(files.admin_token, secrets.token_urlsafe(32).encode())
    return files


def _is_valid(files: Credentials) -> bool:
    if not (files.authority.exists() and files.certificate.exists()):
        return False
    certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    has_all = set(NAMES) <= set(names.get_values_for_type(x509.DNSName))
    return has_all and certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC) > RENEW_BEFORE


def _issue(files: Credentials) -> None:
    issuer = certificates.authority(_name("labkit"), life=VALID, path_length=0)
    addresses = [x509.IPAddress(ipaddress.ip_address(a)) for a in ADDRESSES]
    server = certificates.leaf(
        issuer, [*map(x509.DNSName, NAMES), *addresses], subject=_name("kube-apiserver"), life=VALID
    )
    private.write(files.certificate, server.certificate_pem + server.key_pem)
    private.write(files.authority, issuer.certificate_pem)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
