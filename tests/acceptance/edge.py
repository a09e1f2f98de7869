"""Certificates of a shop and its customers, the Secrets that bring them to a gateway, and curl and openssl outside."""

import datetime
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from labkit.base import private
from labkit.sandbox import certificates
from tests.kubectl import Kubectl

DAY = datetime.timedelta(days=1)


def named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@dataclass(frozen=True, kw_only=True)
class Files:
    """A certificate and its key, where curl finds them."""

    certificate: Path
    key: Path


class Trust:
    """An authority, and what it signs."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._authority = certificates.authority(named(name), life=DAY)
        self.root = folder / f"{name}.pem"
        self.root.write_bytes(self._authority.certificate_pem)

    @property
    def pem(self) -> bytes:
        return self._authority.certificate_pem

    def revoking(self, *revoked: Files) -> bytes:
        """The list of these certificates, PEM."""
        now = datetime.datetime.now(datetime.UTC)
        listed = x509.CertificateRevocationListBuilder().issuer_name(self._authority.certificate.subject)
        listed = listed.last_update(now - DAY).next_update(now + DAY)
        for files in revoked:
            serial = x509.load_pem_x509_certificate(files.certificate.read_bytes()).serial_number
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - DAY).build()
            listed = listed.add_revoked_certificate(entry)
        return listed.sign(self._authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def issue(self, name: str, *, life: datetime.timedelta = DAY) -> Files:
        """For a host or a client."""
        purposes = (certificates.SERVER, certificates.CLIENT)
        issued = certificates.leaf(
            self._authority, [x509.DNSName(name)], life=life, subject=named(name), purposes=purposes
        )
        number = len(list(self._folder.iterdir()))
        files = Files(certificate=self._folder / f"{number}.crt", key=self._folder / f"{number}.key")
        private.write(files.certificate, issued.certificate_pem)
        private.write(files.key, issued.key_pem)
        return files


def put_secret(
    kubectl: Kubectl,
    name: str,
    files: Files,
    *,
    trusted: Trust | None = None,
    revoked: Path | None = None,
    namespace: str = "istio-system",
) -> None:
    """Create or replace a Secret; the key never stands on a command line."""
    source = [f"--from-file=tls.crt={files.certificate}", f"--from-file=tls.key={files.key}"]
    source += [f"--from-file=ca.crt={trusted.root}"] if trusted else []
    source += [f"--from-file=ca.crl={revoked}"] if revoked else []
    text = kubectl("-n", namespace, "create", "secret", "generic", name, *source, "--dry-run=client", "-o", "yaml")
    kubectl("-n", namespace, "apply", "-f", "-", stdin=text)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What curl was told."""

    status: str
    code: int
    """curl's exit code."""

    location: str = ""


class Outside:
    """Clients of a gateway's HTTPS port."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port

    def curl(self, name: str, path: str = "/status/200", *options: str, scheme: str = "https") -> Answer:
        """One request for ``https://NAME/path``."""
        to = f"{name}:{self._port}"
        written = "%{http_code} %{redirect_url}"
        words = ["curl", "-s", "-m", "10", "-o", "/dev/null", "-w", written, "--noproxy", "*"]
        words += ["--resolve", f"{to}:{self._host}", *options, f"{scheme}://{to}{path}"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        status, _, location = done.stdout.partition(" ")
        return Answer(status=status, code=done.returncode, location=location)

    def serial(self, name: str) -> str:
        """The serial of the certificate that is shown for a name, by openssl; empty where none is."""
        words = ["openssl", "s_client", "-connect", f"{self._host}:{self._port}", "-servername", name]
        shown = subprocess.run(words, input="", capture_output=True, text=True, check=False, timeout=60).stdout
        block = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", shown, re.S)
        return f"{x509.load_pem_x509_certificate(block[0].encode()).serial_number:x}" if block else ""


def serial_of(files: Files) -> str:
    """The serial of a file's certificate."""
    return f"{x509.load_pem_x509_certificate(files.certificate.read_bytes()).serial_number:x}"
