"""Both sides of TLS, and the secrets that they name."""

from collections.abc import Sequence

from labkit.mesh import envoy, ir
from labkit.mesh.envoy import typed
from labkit.mesh.model import Resource

OTHER_SECRETS = {"ads": {}, "initial_fetch_timeout": "2s", "resource_api_version": "V3"}
"""Secrets of others may not exist: what names them must not wait for ever."""

VERSIONS = {"1.0": "TLSv1_0", "1.1": "TLSv1_1", "1.2": "TLSv1_2", "1.3": "TLSv1_3"}

MESH_SUITES = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
)
"""What sidecars offer for TLS 1.2 (Istio's defaults)."""


def secret(name: str) -> Resource:
    """A secret by its name."""
    is_own = name in ("default", "ROOTCA")
    return {"name": name, "sds_config": envoy.ADS if is_own else OTHER_SECRETS}


def upstream(tls: ir.Tls, *, is_http2: bool) -> Resource:
    """How a client calls."""
    is_mesh = tls.kind == "istio"
    common: Resource = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"}
    }
    alpn = (["istio"] if is_mesh else []) + (["h2"] if is_http2 else [])
    if alpn:
        common["alpn_protocols"] = alpn
    if tls.certificate:
        common["tls_certificate_sds_secret_configs"] = [secret(tls.certificate)]
    if tls.authority:
        common["combined_validation_context"] = {
            "default_validation_context": {
                **_names(tls.names, kind="URI" if is_mesh else "DNS"),
                **_revoked(tls.revoked_file),
            },
            "validation_context_sds_secret_config": secret(tls.authority),
        }
    resource: Resource = {"common_tls_context": common}
    if tls.sni:
        resource["sni"] = tls.sni
    return typed("envoy.transport_sockets.tls", "extensions.transport_sockets.tls.v3.UpstreamTlsContext", **resource)


def _names(names: Sequence[str], *, kind: str) -> Resource:
    if not names:
        return {}
    return {
        "match_typed_subject_alt_names": [
            {"san_type": "URI" if "://" in n else kind, "matcher": {"exact": n}} for n in names
        ]
    }


def _revoked(file: str) -> Resource:
    return {"crl": {"filename": file}} if file else {}


def with_proxy_protocol(socket: Resource, version: str) -> Resource:
    """Says first, in the PROXY protocol, who is calling."""
    return typed(
        "envoy.transport_sockets.upstream_proxy_protocol",
        "extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
        config={"version": version},
        transport_socket=socket,
    )


def sidecar(mesh: ir.MeshTls) -> Resource:
    """How a sidecar takes a meshed client."""
    names = [{"san_type": "URI", "matcher": {"prefix": f"spiffe://{domain}/"}} for domain in mesh.trust_domains]
    return _downstream(
        {
            "alpn_protocols": [*([] if mesh.is_http else ["istio-peer-exchange"]), "h2", "http/1.1"],
            "tls_params": {
                "tls_minimum_protocol_version": "TLSv1_2",
                "tls_maximum_protocol_version": "TLSv1_3",
                "cipher_suites": list(MESH_SUITES),
            },
            "tls_certificate_sds_secret_configs": [secret("default")],
            "combined_validation_context": {
                "default_validation_context": {"match_typed_subject_alt_names": names},
                "validation_context_sds_secret_config": secret("ROOTCA"),
            },
        },
        asks=True,
    )


def gateway(edge: ir.EdgeTls) -> Resource:
    """How a gateway's server takes clients."""
    params: Resource = {}
    if edge.least_version:
        params["tls_minimum_protocol_version"] = VERSIONS[edge.least_version]
    if edge.last_version:
        params["tls_maximum_protocol_version"] = VERSIONS[edge.last_version]
    if edge.suites:
        params["cipher_suites"] = list(edge.suites)
    common: Resource = {"alpn_protocols": ["h2", "http/1.1"] if edge.is_http else []}
    if params:
        common["tls_params"] = params
    common["tls_certificate_sds_secret_configs"] = [secret(c) for c in edge.certificates]
    if edge.authority:
        common["combined_validation_context"] = {
            "default_validation_context": {**_names(edge.names, kind="DNS"), **_revoked(edge.revoked_file)},
            "validation_context_sds_secret_config": secret(edge.authority),
        }
    return _downstream(common, asks=edge.requires_certificate)


def _downstream(common: Resource, *, asks: bool) -> Resource:
    return typed(
        "envoy.transport_sockets.tls",
        "extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        require_client_certificate=asks,
        common_tls_context=common,
    )
