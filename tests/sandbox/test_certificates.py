"""Certificates are those that a strict reader of RFC 5280 takes, Python 3.13 and newer among them."""

import asyncio
import datetime
import ssl
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from labkit.sandbox import certificates
from labkit.sandbox.apiserver import pki
from labkit.sandbox.istiod import authority

MESH = authority.Authority.new()
DAY = datetime.timedelta(days=1)


def server_of_the_api(folder: Path) -> tuple[str, str]:
    files = pki.credentials(folder)
    return files.authority.read_text(), files.certificate.read_text()


def server_of_istiod(_: Path) -> tuple[str, str]:
    own = MESH.server("localhost")
    return MESH.root, own.chain + own.key


def of_a_workload(_: Path) -> tuple[str, str]:
    own = MESH.workload("shop", "cart")
    return MESH.root, own.chain + own.key


EVERYWHERE = pytest.mark.parametrize(
    "pair", [server_of_the_api, server_of_istiod, of_a_workload], ids=["the API", "istiod", "a workload"]
)


@EVERYWHERE
def test_openssl_verifies_it_strictly(pair, tmp_path: Path) -> None:
    root, leaf = pair(tmp_path)
    (tmp_path / "root.pem").write_text(root)
    (tmp_path / "leaf.pem").write_text(leaf)
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "root.pem", "leaf.pem"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@EVERYWHERE
def test_a_subject_is_there_or_the_names_are_critical(pair, tmp_path: Path) -> None:
    certificate = x509.load_pem_x509_certificate(pair(tmp_path)[1].encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.critical == (len(certificate.subject) == 0)


@EVERYWHERE
def test_key_identifiers_lead_from_a_leaf_to_its_root(pair, tmp_path: Path) -> None:
    root, leaf = (x509.load_pem_x509_certificate(text.encode()) for text in pair(tmp_path))
    of_root = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    issuer = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    own = leaf.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert issuer == of_root != own


@EVERYWHERE
def test_roots_sign_certificates_and_leaves_sign_handshakes(pair, tmp_path: Path) -> None:
    root, leaf = (x509.load_pem_x509_certificate(text.encode()) for text in pair(tmp_path))
    usages = [c.extensions.get_extension_for_class(x509.KeyUsage) for c in (root, leaf)]
    assert [u.value.key_cert_sign for u in usages] == [True, False]
    assert [u.value.digital_signature for u in usages] == [False, True]
    assert all(u.critical for u in usages)


@pytest.mark.parametrize("pair", [server_of_the_api, server_of_istiod], ids=["the API", "istiod"])
def test_a_client_that_verifies_strictly_shakes_hands(pair, tmp_path: Path) -> None:
    root, leaf = pair(tmp_path)
    (tmp_path / "leaf.pem").write_text(leaf)

    async def scene() -> None:
        serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        serving.load_cert_chain(tmp_path / "leaf.pem")
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=serving)
        asking = ssl.create_default_context(cadata=root)
        asking.verify_flags |= ssl.VERIFY_X509_STRICT
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=asking, server_hostname="localhost")
        writer.close()
        server.close()

    asyncio.run(scene())


def test_a_key_of_another_certificate_is_refused() -> None:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "one")])
    one, other = (certificates.authority(subject, life=DAY) for _ in range(2))
    with pytest.raises(ValueError, match="not the certificate's"):
        certificates.load(one.certificate_pem, other.key_pem)
