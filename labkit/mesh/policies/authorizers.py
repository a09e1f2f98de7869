"""Authorizers: services outside the proxy that MeshConfig names in ``extensionProviders``, and CUSTOM asks."""

from collections.abc import Mapping, Sequence
from typing import Any

from labkit.mesh import durations, ir, names
from labkit.mesh.policies import texts

LONGEST = 600.0
"""Seconds that an authorizer may take where nothing is said (Istio, ``extauthz.go``)."""

HTTP, GRPC = "envoyExtAuthzHttp", "envoyExtAuthzGrpc"


def read(provider: Mapping[str, Any], hosts: Mapping[str, Sequence[str]]) -> ir.Authorizer | None:
    """One provider; None for one of another purpose, or whose service is not in the mesh.

    ``hosts`` are the mesh's hosts, each with the namespaces that have it.
    """
    settings = provider.get(HTTP) or provider.get(GRPC)
    if not settings:
        return None
    namespace, _, host = str(settings.get("service") or "").rpartition("/")
    holders = hosts.get(host, ())
    if not holders or (namespace not in holders if namespace else len(holders) > 1):
        return None
    body = settings.get("includeRequestBodyInCheck")
    return ir.Authorizer(
        name=str(provider.get("name", "")),
        upstream=names.upstream_name(int(settings.get("port") or 0), "", host),
        host=host,
        is_grpc=not provider.get(HTTP),
        timeout=durations.seconds(settings["timeout"]) if settings.get("timeout") else LONGEST,
        fails_open=bool(settings.get("failOpen")),
        error_status=_status(settings.get("statusOnError")),
        clears_routes=bool(settings.get("clearRouteCache")),
        path_prefix=str(settings.get("pathPrefix") or ""),
        checked_headers=_headers(settings.get("includeRequestHeadersInCheck") or settings.get("includeHeadersInCheck")),
        added_headers=tuple(sorted((settings.get("includeAdditionalHeadersInCheck") or {}).items())),
        upstream_headers=_headers(settings.get("headersToUpstreamOnAllow")),
        allowed_headers=_headers(settings.get("headersToDownstreamOnAllow")),
        denied_headers=_headers(settings.get("headersToDownstreamOnDeny")),
        body_bytes=int(body.get("maxRequestBytes") or 0) if body is not None else None,
        body_may_be_partial=bool((body or {}).get("allowPartialMessage")),
        body_is_raw=bool((body or {}).get("packAsBytes")),
    )


def _status(text: Any) -> int:
    """A status of HTTP; 0, which leaves it to Envoy, for any other word."""
    number = int(text) if str(text or "").isdecimal() else 0
    return number if 100 <= number <= 599 else 0


def _headers(patterns: Sequence[str] | None) -> tuple[ir.Text, ...]:
    return tuple(texts.text(str(pattern)) for pattern in patterns or ())
