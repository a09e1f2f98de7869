"""Gateways: the pods they select, the ports of those, and their certificates."""

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.mesh.analysis import snapshot
from labkit.mesh.analysis.messages import ERROR, NAME, WARNING, Message, Path, not_there, on
from labkit.mesh.analysis.snapshot import Object, Snapshot, full_name, listed, namespace_of

Server = Mapping[str, Any]


def selectors(objects: Snapshot) -> Iterator[Message]:
    """IST0101, a selector of no pod; IST0162, a port that no Service of the pods has."""
    for door in objects.of("Gateway"):
        selector = door["spec"].get("selector") or {}
        path: Path = ("spec", "selector", *sorted(selector)[:1])
        pods = objects.pods(selector)
        if not pods:
            yield not_there(door, "selector", listed(selector), path)
            continue
        ports = {number for pod in pods for number in _ports(pod, objects)}
        for number in (_port(server) for server in servers(door)):
            if number and number not in ports:
                text = (
                    f"The gateway is listening on a target port (port {number}) that is not defined in the Service "
                    f"associated with its workload instances (Pod selector {listed(selector)}). If you need to access "
                    "the gateway port through the gateway Service, it will not be available."
                )
                yield on(door, "IST0162", WARNING, text, path)


def _ports(pod: Object, objects: Snapshot) -> Iterator[int]:
    # A server's port is either the Service's own or the target port behind it.
    for service in objects.services_of(pod):
        for port in service["spec"].get("ports") or []:
            if port.get("protocol", "TCP") == "TCP":
                yield port["port"]
                yield from (port[key] for key in ("targetPort",) if isinstance(port.get(key), int))


def servers(door: Object) -> list[Server]:
    """``spec.servers``."""
    return door["spec"].get("servers") or []


def _port(server: Server) -> int:
    return int((server.get("port") or {}).get("number") or 0)


def credentials(objects: Snapshot) -> Iterator[Message]:
    """IST0101, a Secret that is not there; IST0161, one that holds no certificate."""
    secrets = {full_name(secret): secret for secret in objects.of("Secret")}
    for door in objects.of("Gateway"):
        pods = objects.pods(door["spec"].get("selector") or {})
        for at, server in enumerate(servers(door)):
            name = (server.get("tls") or {}).get("credentialName", "")
            if not name or not pods:
                continue
            path: Path = ("spec", "servers", at, "tls", "credentialName")
            namespace = namespace_of(pods[0])
            secret = secrets.get(name if "/" in name else f"{namespace}/{name}")
            if secret is None:
                yield not_there(door, "credentialName", name, path)
            elif not _is_pair(secret):
                text = (
                    f"The credential referenced by the Gateway {snapshot.name_of(door)} in namespace {namespace} is "
                    "invalid, which can cause the traffic not to work as expected."
                )
                yield on(door, "IST0161", ERROR, text, path)


def _is_pair(secret: Object) -> bool:
    if "data" not in secret and "stringData" not in secret:
        return True  # a reader without rights to contents
    data = {**(secret.get("data") or {}), **{k: _encoded(v) for k, v in (secret.get("stringData") or {}).items()}}
    chain, key = data.get("tls.crt", data.get("cert", "")), data.get("tls.key", data.get("key", ""))
    return _holds(chain, "CERTIFICATE") and _holds(key, "PRIVATE KEY")


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _holds(data: str, title: str) -> bool:
    try:
        text = base64.b64decode(data).decode(errors="replace")
    except (binascii.Error, ValueError):
        return False
    return "-----BEGIN " in text and f"{title}-----" in text


def certificates(objects: Snapshot) -> Iterator[Message]:
    """IST0138: one certificate in two Gateways of the same workload."""
    doors = objects.of("Gateway")
    for door in doors:
        selector = door["spec"].get("selector") or {}
        for other in doors:
            is_near = selector.items() <= (other["spec"].get("selector") or {}).items()
            if other is door or not is_near or not _certificates(door) & _certificates(other):
                continue
            text = f"Duplicate certificate in multiple gateways [{full_name(door)} {full_name(other)}] may cause 404s "
            yield on(door, "IST0138", WARNING, f"{text}if clients re-use HTTP2 connections.", NAME)


def _certificates(door: Object) -> set[tuple[str, ...]]:
    settings = [server.get("tls") or {} for server in servers(door)]
    named = {("", tls["credentialName"]) for tls in settings if tls.get("credentialName")}
    files = [(tls.get("serverCertificate", ""), tls.get("privateKey", "")) for tls in settings]
    return named | {pair for pair in files if all(pair)}


def conflicts(objects: Snapshot) -> Iterator[Message]:
    """IST0145: Gateways of one workload with a port and a host in common."""
    doors = [door for door in objects.of("Gateway") if objects.pods(door["spec"].get("selector") or {})]
    for door in doors:
        selector = listed(door["spec"].get("selector") or {})
        for server in servers(door):
            others = sorted(full_name(o) for o in doors if o is not door and _clash(door, server, o))
            if others:
                place = f"port {_port(server)}, hosts {','.join(server.get('hosts') or [])}"
                text = f"Conflict with gateways {','.join(others)} (workload selector {selector}, {place})."
                yield on(door, "IST0145", ERROR, text)


def _clash(door: Object, server: Server, other: Object) -> bool:
    if (door["spec"].get("selector") or {}) != (other["spec"].get("selector") or {}):
        return False
    place = (_port(server), server.get("bind", ""))
    return any(
        (_port(s), s.get("bind", "")) == place and snapshot.overlap(one, theirs)
        for s in servers(other)
        for theirs in s.get("hosts") or []
        for one in server.get("hosts") or []
    )
