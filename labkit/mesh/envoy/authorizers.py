"""Services that are asked whether a request may pass, as Envoy's ext_authz filter of HTTP and of connections."""

from collections.abc import Sequence

from labkit.mesh import durations, ir
from labkit.mesh.envoy import strings
from labkit.mesh.model import Resource

NOTED = "istio_ext_authz_shadow_effective_policy_id"
"""Where the RBAC filter before it notes which rule applied."""


def of_requests(asking: ir.Asking, rbac: str) -> Resource:
    """The filter's configuration; ``rbac`` is the name of the filter whose notes it reads."""
    authorizer = asking.authorizer
    resource: Resource = {"transport_api_version": "V3", "filter_enabled_metadata": _noted(asking.prefix, rbac)}
    if authorizer.is_grpc:
        resource["grpc_service"] = _grpc(authorizer)
    else:
        resource["http_service"] = _http(authorizer)
        if authorizer.checked_headers:
            resource["allowed_headers"] = _headers(authorizer.checked_headers)
    if authorizer.fails_open:
        resource["failure_mode_allow"] = True
    if authorizer.error_status:
        resource["status_on_error"] = {"code": authorizer.error_status}
    if authorizer.clears_routes:
        resource["clear_route_cache"] = True
    if authorizer.body_bytes is not None:
        resource["with_request_body"] = _body(authorizer)
    return resource


def of_connections(asking: ir.Asking, rbac: str) -> Resource:
    """The same for connections that are not HTTP: only a gRPC authorizer can be asked about them."""
    resource: Resource = {
        "stat_prefix": "tcp.",
        "transport_api_version": "V3",
        "grpc_service": _grpc(asking.authorizer),
        "filter_enabled_metadata": _noted(asking.prefix, rbac),
    }
    return {**resource, "failure_mode_allow": True} if asking.authorizer.fails_open else resource


def _noted(prefix: str, rbac: str) -> Resource:
    return {"filter": rbac, "path": [{"key": NOTED}], "value": {"string_match": {"prefix": prefix}}}


def _grpc(authorizer: ir.Authorizer) -> Resource:
    return {
        "envoy_grpc": {"cluster_name": authorizer.upstream, "authority": authorizer.host},
        "timeout": durations.proto(authorizer.timeout),
    }


def _http(authorizer: ir.Authorizer) -> Resource:
    resource: Resource = {
        "server_uri": {
            "uri": f"http://{authorizer.host}",
            "cluster": authorizer.upstream,
            "timeout": durations.proto(authorizer.timeout),
        }
    }
    if authorizer.path_prefix:
        resource["path_prefix"] = authorizer.path_prefix
    if authorizer.added_headers:
        added = [{"key": key, "value": value} for key, value in authorizer.added_headers]
        resource["authorization_request"] = {"headers_to_add": added}
    answered = {
        "allowed_upstream_headers": authorizer.upstream_headers,
        "allowed_client_headers": authorizer.denied_headers,
        "allowed_client_headers_on_success": authorizer.allowed_headers,
    }
    patterns = {field: _headers(texts) for field, texts in answered.items() if texts}
    return {**resource, "authorization_response": patterns} if patterns else resource


def _headers(texts: Sequence[ir.Text]) -> Resource:
    return {"patterns": [{**strings.matcher(text), "ignore_case": True} for text in texts]}


def _body(authorizer: ir.Authorizer) -> Resource:
    resource: Resource = {"max_request_bytes": authorizer.body_bytes}
    if authorizer.body_may_be_partial:
        resource["allow_partial_message"] = True
    return {**resource, "pack_as_bytes": True} if authorizer.body_is_raw else resource
