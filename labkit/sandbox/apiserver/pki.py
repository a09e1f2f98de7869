"""Keys and certificates of one lab: an authority of its own, the server's certificate, the key of tokens."""

import datetime
import ipaddress
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
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
TOKEN_BYTES = 32
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


def credentials(folder: Path, *, notice: Callable[[str], None] = lambda _: None) -> Credentials:
    """The lab's credentials: those in the folder, or new ones where they are missing, damaged or run out.

    ``notice`` hears of what a person may see of the damage.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    files = Credentials(folder=folder)
    if not _are_valid(files):
        _issue(files)
    if not _is_key(files.token_key):
        if files.token_key.exists():
            notice(
                "The key that signs tokens of service accounts was damaged and is a new one: pods get new tokens by "
                "themselves; tokens that you made (kubectl create token) must be made again."
            )
        private.write(files.token_key, certificates.key_pem(certificates.new_key()))
    if not _is_token(files.admin_token):
        private.write(files.admin_token, secrets.token_urlsafe(TOKEN_BYTES).encode())
    return files


def _are_valid(files: Credentials) -> bool:
    try:
        root = x509.load_pem_x509_certificate(files.authority.read_bytes())
        pem = files.certificate.read_bytes()
        certificate = certificates.load(pem, pem).certificate
        certificate.verify_directly_issued_by(root)
    except (OSError, ValueError, TypeError, InvalidSignature):
        return False
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    has_all = set(NAMES) <= set(names.get_values_for_type(x509.DNSName))
    return has_all and certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC) > RENEW_BEFORE


def _is_key(path: Path) -> bool:
    try:
        return isinstance(serialization.load_pem_private_key(path.read_bytes(), None), ec.EllipticCurvePrivateKey)
    except (OSError, ValueError, TypeError):
        return False


def _is_token(path: Path) -> bool:
    try:
        return re.fullmatch(rf"[\w-]{{{TOKEN_BYTES},}}", path.read_text(), re.ASCII) is not None
    except (OSError, ValueError):
        return False


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
