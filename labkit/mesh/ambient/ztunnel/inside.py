"""Between a pod's tunnels and its programs: a listener of the same Envoy with one chain per caller and port.

Envoy never asks again about a stream that is open, but it closes the connections of a filter chain that changes. So
each account of the mesh has a chain of its own, which holds what the policies say about it: a policy that forbids one
caller closes that caller's tunnels and leaves all others open, as ztunnel does.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from labkit.mesh.ambient import verdicts
from labkit.mesh.ambient.authorizations import Authorization
from labkit.mesh.ambient.ztunnel import resources as pieces
from labkit.mesh.ambient.ztunnel.local import LocalPod
from labkit.mesh.envoy import TYPE, typed
from labkit.mesh.model import Resource

CALLER = "labkit.caller"
"""Filter state of a tunnel: the name in the caller's certificate."""

SPIFFE = "spiffe://"
_INPUTS = f"{TYPE}.extensions.matching.common_inputs.network.v3"


def name(pod: LocalPod) -> str:
    """Of the listener, and of the cluster that leads to it."""
    return f"inside|{pod.ip}"


def caller() -> Resource:
    """The HTTP filter that notes of a tunnel who calls whom, for this listener."""
    kind = "extensions.filters.http.set_filter_state.v3.Config"
    states = [
        pieces.state(CALLER, "%DOWNSTREAM_PEER_URI_SAN%"),
        pieces.state(f"{pieces.ORIGINAL_DST}.local_ip", "%REQ(:AUTHORITY)%", factory=""),
        pieces.state(f"{pieces.ORIGINAL_DST}.remote_ip", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%", factory=""),
    ]
    return typed("envoy.filters.http.set_filter_state", kind, on_request_headers=states)


def cluster(pod: LocalPod) -> Resource:
    """The way to the listener."""
    address = {"envoy_internal_address": {"server_listener_name": name(pod)}}
    return pieces.static(name(pod), address, transport_socket=pieces.internal())


def listener(pod: LocalPod, policies: Sequence[Authorization], accounts: Sequence[str]) -> Resource:
    """The listener; ``accounts`` are the SPIFFE names of the mesh, one who is not among them shares a chain."""
    kind = "extensions.filters.listener.original_dst.v3.OriginalDst"
    ports = (*pod.ports, *pod.own_ports)
    chains = [
        chain(pod, port, _verdict(policies, pod, account, port), account) for account in accounts for port in ports
    ]
    general = verdicts.digest(policies)
    chains += [chain(pod, port, general) for port in ports]
    by_account = {account: {"matcher": _by_port(ports, account)} for account in accounts}
    return {
        "name": name(pod),
        "internal_listener": {},
        "listener_filters": [typed(pieces.ORIGINAL_DST, kind)],
        "filter_chains": chains,
        "filter_chain_matcher": {
            **_tree("caller", {"@type": f"{_INPUTS}.FilterStateInput", "key": CALLER}, by_account),
            "on_no_match": {"matcher": _by_port(ports, "")},
        },
        "traffic_direction": "INBOUND",
    }


def chain(pod: LocalPod, port: int, verdict: str, account: str = "") -> Resource:
    """To one port of the pod; the chain changes with the verdict, and Envoy closes what it carried."""
    proxy = pieces.tcp_proxy(f"inside_{pod.ip}", f"app|{pod.ip}|{port}")
    return {"name": f"{account}|{port}", "filters": [proxy], "metadata": note(verdict)}


def note(verdict: str) -> Resource:
    """Metadata that hold a verdict."""
    return {"filter_metadata": {pieces.ABOUT: {"verdict": verdict}}}


def _verdict(policies: Sequence[Authorization], pod: LocalPod, account: str, port: int) -> str:
    asked = verdicts.Caller(principal=account.removeprefix(SPIFFE), address=pod.ip, port=port)
    return verdicts.verdict(policies, asked) if policies else verdicts.ALLOWED


def _by_port(ports: Sequence[int], account: str) -> Resource:
    choices = {str(port): _to(f"{account}|{port}") for port in ports}
    return _tree("port", {"@type": f"{_INPUTS}.DestinationPortInput"}, choices)


def _tree(title: str, read: Mapping[str, Any], choices: Resource) -> Resource:
    return {"matcher_tree": {"input": {"name": title, "typed_config": dict(read)}, "exact_match_map": {"map": choices}}}


def _to(chain_name: str) -> Resource:
    value = {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": chain_name}
    return {"action": {"name": chain_name, "typed_config": value}}


def plain_verdict(policies: Sequence[Authorization], pod: LocalPod, port: int) -> str:
    """What policies say about a caller without a certificate."""
    return _verdict(policies, pod, "", port)
