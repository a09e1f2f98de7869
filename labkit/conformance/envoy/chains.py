"""Facts of one filter chain: security, limits, logs, and where its HTTP routes come from."""

from dataclasses import dataclass, field
from typing import Any

from labkit.conformance.envoy.clusters import certificates, subject_names
from labkit.conformance.envoy.filters import jwt, local_rate_limit, rbac
from labkit.conformance.envoy.values import Json, present, type_of, weighted

NAMED_FILTERS = ("ext_authz", "filters.http.ratelimit", "filters.http.lua", "filters.http.buffer")
"""Filters of which a fact says that they are there, and where."""

NAMES = {"ExtAuthz": "envoy.filters.http.ext_authz"}
"""Type → name under which Istio sends a filter that a sandbox sends by discovery, under the name of a place."""

TAG_SOURCES = ("literal", "request_header", "environment")


@dataclass(frozen=True, kw_only=True)
class Chain:
    """What a filter chain does."""

    match: Json
    http: Json | None = None
    """The HTTP connection manager, where the chain has one."""

    facts: Json = field(default_factory=dict)
    telemetry: Json = field(default_factory=dict)
    """Access logs and tracing."""

    @property
    def is_mutual(self) -> bool:
        """Whether a client must show a certificate."""
        return bool(self.facts.get("tls", {}).get("client certificate"))

    def hosts(self, tables: dict[str, Json]) -> list[Json]:
        """The virtual hosts of the chain, inline or from a route configuration."""
        if self.http is None:
            return []
        name = self.http.get("rds", {}).get("route_config_name")
        table = self.http.get("route_config") or tables.get(name, {})
        hosts: list[Json] = table.get("virtual_hosts", [])
        return hosts


def chain(body: Json, extensions: dict[str, Json]) -> Chain:
    """Read a chain; ``extensions`` are filters that come by ECDS."""
    configs = [(entry["name"], entry.get("typed_config", {})) for entry in body.get("filters", [])]
    http = next((config for _, config in configs if type_of(config) == "HttpConnectionManager"), None)
    proxy = next((config for _, config in configs if type_of(config) == "TcpProxy"), None)
    network = [rbac(c) for name, c in configs if name == "envoy.filters.network.rbac" or type_of(c) == "RBAC"]
    of_http = _http_filters(http.get("http_filters", []), extensions) if http else {}
    return Chain(
        match=body.get("filter_chain_match") or {},
        http=http,
        facts=present({"tcp rbac": network, "tcp": proxy and weighted(proxy), **of_http, "tls": _tls(body)}),
        telemetry=present({"access logs": _logs(http), "tracing": _tracing(http)}) if http else {},
    )


def _http_filters(entries: list[Json], extensions: dict[str, Json]) -> Json:
    rules, others, read = list[Json](), list[str](), dict[str, Any]()
    for entry in entries:
        config = extensions.get(entry["name"], entry).get("typed_config", {})
        config = config.get("value", config) if type_of(config) == "TypedStruct" else config
        title = f"{entry['name']} {config.get('@type', '')}".lower()
        if "rbac" in title:
            if config.get("rules") or config.get("shadow_rules"):
                rules.append(rbac(config))
        elif "jwt_authn" in title or "jwtauthentication" in title:
            read["jwt"] = jwt(config)
        elif ("local_ratelimit" in title or "localratelimit" in title) and len(config) > 1:
            read["local rate limit"] = local_rate_limit(config)
        elif any(word in title for word in NAMED_FILTERS):
            others.append(NAMES.get(type_of(config)) or str(entry["name"]))
    return {"rbac": rules, "filters": others, **read}


def _logs(http: Json) -> list[Json]:
    return [
        present(
            {
                "name": log["name"].rsplit(".", 1)[-1],
                "filter": log.get("filter"),
                "path": log.get("typed_config", {}).get("path"),
                "format": log.get("typed_config", {}).get("log_format"),
            }
        )
        # A sandbox counts Istio's metrics by an access logger, in the place of Istio's own filter.
        for log in http.get("access_log", [])
        if log["name"] != "envoy.access_loggers.stats"
    ]


def _tracing(http: Json) -> Json:
    tracing = http.get("tracing", {})
    if "provider" not in tracing:
        return {}
    tags = [tag for tag in tracing.get("custom_tags", []) if not tag["tag"].startswith("istio.")]
    return present(
        {
            "provider": tracing["provider"]["name"].rsplit(".", 1)[-1],
            "percent": tracing.get("random_sampling", {}).get("value", 0),
            "tags": sorted([tag["tag"], next((s for s in TAG_SOURCES if s in tag), "?")] for tag in tags),
        }
    )


def _tls(body: Json) -> Any:
    config = body.get("transport_socket", {}).get("typed_config", {})
    if type_of(config) != "DownstreamTlsContext":
        return None
    common = config.get("common_tls_context", {})
    versions = common.get("tls_params", {})
    return {
        "client certificate": bool(config.get("require_client_certificate")),
        **present(
            {
                "certificate": certificates(common),
                "sans": subject_names(common),
                "min": versions.get("tls_minimum_protocol_version"),
                "max": versions.get("tls_maximum_protocol_version"),
            }
        ),
    }
