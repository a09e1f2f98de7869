"""What a proxy shows istiod and checks it by, as files of its pod have them now.

In Istio the agent beside Envoy reads both files for each connection to istiod. Here Envoy connects itself and reads a
file only at its start, or watches it, which costs an inotify instance of the 128 that a user has. So it asks for them
by SDS over REST, at a socket that only its own container sees.
"""

import asyncio
import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apps import http1
from labkit.sandbox.network import sockets

SOCKET = "credentials.sock"
UPSTREAM = "agent-credentials"
"""The cluster of Envoy that leads to the socket."""

TOKEN, ROOT = "xds-token", "xds-root"
"""The secrets: what istiod is shown, and the certificates that its own is checked against."""

MOUNTS = {TOKEN: ("/var/run/secrets/tokens", "istio-token"), ROOT: ("/var/run/secrets/istio", "root-cert.pem")}
"""Where a proxy's container has each: mount path and file."""

ISTIOD = "istiod.istio-system.svc"
"""The name that istiod's own certificate must have."""

TYPE = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
LONGEST = 256 * 1024
"""Bytes of a question: it repeats the node's metadata."""

WITHIN = 5.0
"""Seconds for a question to arrive."""


def files(container: Object, volumes: Path) -> dict[str, Path]:
    """Where a proxy's container has the files of its secrets; ``volumes`` is the folder of the pod's volumes."""
    mounted = {m["mountPath"].rstrip("/"): m["name"] for m in container.get("volumeMounts") or []}
    return {name: volumes / mounted[path] / file for name, (path, file) in MOUNTS.items() if path in mounted}


def secret(name: str, text: str) -> dict[str, Any]:
    """One secret as Envoy takes it."""
    if name == TOKEN:
        return {"@type": TYPE, "name": name, "generic_secret": {"secret": {"inline_string": f"Bearer {text.strip()}"}}}
    names = [{"san_type": "DNS", "matcher": {"exact": ISTIOD}}]
    # Bytes, as from istiod: a stock istioctl reads no other certificates.
    root = {"inline_bytes": base64.b64encode(text.encode()).decode()}
    context = {"trusted_ca": root, "match_typed_subject_alt_names": names}
    return {"@type": TYPE, "name": name, "validation_context": context}


def answer(question: Mapping[str, Any], files: Mapping[str, Path]) -> dict[str, Any]:
    """The DiscoveryResponse; OSError where a file is not there, KeyError for a secret that is none of these."""
    secrets = [secret(name, files[name].read_text()) for name in question["resource_names"]]
    version = hashlib.blake2b(json.dumps(secrets).encode(), digest_size=8).hexdigest()
    return {"version_info": version, "type_url": TYPE, "resources": secrets}


class Service:
    """Answers one pod's Envoy."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files

    def __repr__(self) -> str:
        return f"Service({sorted(self._files)})"

    async def listen(self, folder: Path) -> asyncio.Server:
        """Answer at the socket in a folder, until the server is closed."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        listener = sockets.listen(folder / SOCKET)
        listener.setblocking(False)
        return await asyncio.start_unix_server(self._serve, sock=listener, limit=LONGEST)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(WITHIN):
                question = await _question(reader)
            status, body = self._answer(question)
            fields = [("content-type", "application/json"), ("content-length", str(len(body))), ("connection", "close")]
            writer.write(http1.head(f"HTTP/1.1 {status}", fields) + body)
            await writer.drain()
        except (OSError, TimeoutError, EOFError, ValueError, asyncio.LimitOverrunError, http1.MessageError):
            pass
        finally:
            writer.close()

    def _answer(self, question: Mapping[str, Any]) -> tuple[str, bytes]:
        try:
            return "200 OK", json.dumps(answer(question, self._files)).encode()
        except (OSError, KeyError):
            return "404 Not Found", b""


async def _question(reader: asyncio.StreamReader) -> Mapping[str, Any]:
    head = (await reader.readuntil(b"\r\n\r\n")).removesuffix(b"\r\n\r\n")
    fields = http1.lowered(http1.parse_head(head)[1])
    body, buffer = http1.body_of_request(fields), bytearray()
    while not body.take(buffer):
        more = await reader.read(1 << 16)
        if not more or len(body.data) + len(buffer) > LONGEST:
            raise EOFError
        buffer += more
    value = json.loads(body.data)
    if not isinstance(value, dict):
        raise ValueError("a question is an object")
    return value
