"""The traffic policy that counts for one port and subset of a host."""

from collections.abc import Mapping
from typing import Any

Policy = Mapping[str, Any]
"""The fields of a ``trafficPolicy`` without ``portLevelSettings``."""

NOT_OF_PORTS = ("proxyProtocol", "retryBudget", "tunnel")
"""What ``portLevelSettings`` have no field for."""

PARTS = ("connectionPool", "outlierDetection", "loadBalancer", "tls", *NOT_OF_PORTS)


def for_port(policy: Policy | None, port: int) -> Policy:
    """The policy of a port: of what an entry of ``portLevelSettings`` may say it decides alone and inherits nothing."""
    whole = policy or {}
    own = port_entry(whole, port)
    return _parts(whole) if own is None else _with_entry(_parts(whole), own)


def for_subset(host: Policy | None, subset: Policy | None, port: int) -> Policy:
    """The host's policy with the fields that the subset sets, unless the subset speaks of the port."""
    if subset is None:
        return for_port(host, port)
    own = port_entry(subset, port)
    above = {**for_port(host, port), **_parts(subset)}
    return above if own is None else _with_entry(above, own)


def with_mesh(policy: Policy, mesh: Mapping[str, Any]) -> Policy:
    """The policy on top of what the mesh says for every host."""
    joined = {**_parts(mesh.get("defaultTrafficPolicy") or {}), **policy}
    tcp = {key: mesh[key] for key in ("connectTimeout", "tcpKeepalive") if mesh.get(key)}
    http = {key: mesh[key] for key in ("h2UpgradePolicy",) if mesh.get(key) not in (None, "DO_NOT_UPGRADE")}
    if not tcp and not http:
        return joined
    pool = joined.get("connectionPool") or {}
    http_of_policy = {k: v for k, v in (pool.get("http") or {}).items() if v != "DEFAULT"}
    joined["connectionPool"] = {**pool, "tcp": {**tcp, **(pool.get("tcp") or {})}, "http": {**http, **http_of_policy}}
    return joined


def marks_endpoints(host: Policy | None, subset: Policy | None, port: int) -> bool:
    """Whether endpoints stay marked for mutual TLS: unless a rule says another mode.

    Unlike everything else this looks past an entry of ``portLevelSettings`` that says nothing of TLS
    (answered by a real 1.31: `port-level-settings-replace`).
    """
    for policy in (subset or {}, host or {}):
        tls = (port_entry(policy, port) or {}).get("tls") or policy.get("tls")
        if tls is not None:
            return bool(tls.get("mode", "DISABLE") == "ISTIO_MUTUAL")
    return True


def port_entry(policy: Policy, port: int) -> Policy | None:
    """What ``portLevelSettings`` say of a port; None where they say nothing."""
    for entry in policy.get("portLevelSettings") or ():
        if (entry.get("port") or {}).get("number") == port:
            return entry  # type: ignore[no-any-return]
    return None


def _with_entry(above: Policy, entry: Policy) -> Policy:
    """What is not for an entry to say comes from above."""
    rest = {k: v for k, v in above.items() if k in NOT_OF_PORTS}
    return {**rest, **_parts(entry)}


def _parts(policy: Policy) -> Policy:
    return {k: policy[k] for k in PARTS if policy.get(k) is not None}
