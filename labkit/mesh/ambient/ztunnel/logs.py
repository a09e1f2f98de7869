"""The access log in ztunnel's format: one line when a connection ends, with both workloads and identities."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labkit.mesh import names
from labkit.mesh.ambient.ztunnel import metrics
from labkit.mesh.ambient.ztunnel import resources as pieces
from labkit.mesh.ambient.ztunnel.local import LocalPod
from labkit.mesh.envoy import typed
from labkit.mesh.model import TRUST_DOMAIN, Resource


@dataclass(frozen=True, kw_only=True)
class About:
    """How metrics call a pod and the Service that it stands behind."""

    workload: str
    service: str = ""


START = "%START_TIME(%Y-%m-%dT%H:%M:%S.%6fZ)%\tinfo\taccess\tconnection complete\t"
OUT_SIZES = 'bytes_sent=%BYTES_RECEIVED% bytes_recv=%BYTES_SENT% duration="%DURATION%ms"'
IN_SIZES = 'bytes_sent=%BYTES_SENT% bytes_recv=%BYTES_RECEIVED% duration="%DURATION%ms"'
"""ztunnel counts as the other end sees it: outbound it sends the request, inbound the response."""

FLAGS = ' response_flags="%RESPONSE_FLAGS%"'


def source(pod: LocalPod) -> str:
    """How a line names the pod that calls."""
    return f'src.workload="{pod.name}" src.namespace="{pod.namespace}" src.identity="{pod.identity}"'


def destination(workload: Mapping[str, Any], host: str) -> str:
    """How a line names the workload that is called."""
    service = f'dst.service="{host}" ' if host else ""
    return f'{service}dst.workload="{workload["name"]}" dst.namespace="{workload["namespace"]}"'


def identity(workload: Mapping[str, Any]) -> str:
    """The name that a workload's certificate must have."""
    account = f"{workload['namespace']}/{workload.get('serviceAccount', 'default')}"
    return names.spiffe(account, workload.get("trustDomain", TRUST_DOMAIN))


def outbound(cluster: str) -> list[Resource]:
    """Of a connection that leaves a pod for another workload."""
    tunnelled = "dst.hbone_addr=%DOWNSTREAM_LOCAL_ADDRESS% " if cluster == "hbone" else ""
    peer = ' dst.identity="%UPSTREAM_PEER_URI_SAN%"' if cluster == "hbone" else ""
    text = (
        f"{START}src.addr=%FILTER_STATE({pieces.SOURCE_ADDRESS}:PLAIN)% %FILTER_STATE({pieces.SOURCE_TEXT}:PLAIN)% "
        f"dst.addr=%UPSTREAM_REMOTE_ADDRESS% {tunnelled}%DYNAMIC_METADATA({pieces.ABOUT}:about)%{peer} "
        f'direction="outbound" {OUT_SIZES}{FLAGS}\n'
    )
    return [stdout(text, metrics.OF_TCP[1]), *metrics.outbound()]


def passed_through(pod: LocalPod) -> list[Resource]:
    """Of a connection to an address that the mesh does not know."""
    ends = f"src.addr=%DOWNSTREAM_REMOTE_ADDRESS% {source(pod)} dst.addr=%DOWNSTREAM_LOCAL_ADDRESS%"
    return [stdout(f'{START}{ends} direction="outbound" {OUT_SIZES}{FLAGS}\n')]


def inbound(pod: LocalPod, about: About, *, is_tunnelled: bool) -> list[Resource]:
    """Of a connection that comes to a pod."""
    host = about.service.partition(";")[0]
    ends = "src.addr=%DOWNSTREAM_DIRECT_REMOTE_ADDRESS% "
    if is_tunnelled:
        ends += 'src.identity="%DOWNSTREAM_PEER_URI_SAN%" dst.addr=%DOWNSTREAM_LOCAL_ADDRESS% '
        ends += "dst.hbone_addr=%REQ(:AUTHORITY)% "
    else:
        ends += "dst.addr=%DOWNSTREAM_LOCAL_ADDRESS% "
    named = destination({"name": pod.name, "namespace": pod.namespace}, host)
    code = ' response_code="%RESPONSE_CODE%"' if is_tunnelled else ""
    details = ' details="%RESPONSE_CODE_DETAILS%"' if is_tunnelled else ' details="%CONNECTION_TERMINATION_DETAILS%"'
    text = f'{START}{ends}{named} dst.identity="{pod.identity}" direction="inbound" {IN_SIZES}{code}{details}{FLAGS}\n'
    _, end = metrics.OF_TUNNEL if is_tunnelled else metrics.OF_TCP
    return [stdout(text, end), *metrics.inbound(about.workload, about.service, is_tunnelled=is_tunnelled)]


def stdout(text: str, when: str = "") -> Resource:
    """A logger of lines to the container's output, for one kind of entries or for all."""
    kind = "extensions.access_loggers.stream.v3.StdoutAccessLog"
    entry = typed("envoy.access_loggers.stdout", kind, log_format={"text_format_source": {"inline_string": text}})
    return {**entry, "filter": metrics.only(when)} if when else entry
