"""One HTTPS request to a gateway's address in the name of a host: what was agreed on, or why nothing was."""

import http.client
import socket
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from labkit.base import private
from labkit.traffic.authorities import Authority, Issued

PATIENCE = 10.0
"""Seconds."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a client was told."""

    status: int
    """0 when there was no answer."""

    version: str = ""
    """``TLSv1.3``."""

    subject: str = ""
    """Whose certificate the server showed."""

    issuer: str = ""
    problem: str = ""
    """Why there was no answer."""

    text: str = ""

    def __repr__(self) -> str:
        if not self.status:
            return f"no answer: {self.problem}"
        return f"{self.status} over {self.version}, certificate of {self.subject}, signed by {self.issuer}"


def ask(
    address: tuple[str, int], name: str, path: str, *, trusting: Authority | None, showing: Issued | None
) -> Answer:
    """GET ``https://NAME/path`` at an address, trusting one authority and showing one certificate, or none."""
    context = ssl.create_default_context(cadata=trusting.pem.decode() if trusting else None)
    if showing:
        _show(context, showing)
    try:
        with (
            socket.create_connection(address, timeout=PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname=name) as link,
        ):
            shown = x509.load_der_x509_certificate(link.getpeercert(binary_form=True) or b"")
            link.sendall(f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            reply = http.client.HTTPResponse(link)
            reply.begin()
            return Answer(
                status=reply.status,
                version=link.version() or "",
                subject=_common(shown.subject),
                issuer=_common(shown.issuer),
                text=reply.read().decode("utf-8", "replace"),
            )
    except ssl.SSLCertVerificationError as e:
        return Answer(status=0, problem=f"the client does not trust the certificate: {e.verify_message}")
    except (ssl.SSLEOFError, ConnectionResetError):
        return Answer(status=0, problem="the server closed the connection before it answered")
    except ssl.SSLError as e:
        return Answer(status=0, problem=f"the server ended the handshake: {(e.reason or '').lower().replace('_', ' ')}")
    except (OSError, http.client.HTTPException) as e:
        return Answer(status=0, problem=f"the connection was closed: {e}")


def _show(context: ssl.SSLContext, own: Issued) -> None:
    """ssl reads keys from files only: this one is its owner's alone, and gone at once."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "own.pem"
        private.write(file, own.key + own.chain)
        context.load_cert_chain(file)


def _common(name: x509.Name) -> str:
    names = name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if names else name.rfc4514_string()
