"""What an Envoy knows before istiod tells it anything."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labkit.mesh.place import METRICS, app_socket
from labkit.sandbox.proxy import agentport, credentials

ADMIN_PORT, READY_PORT, XDS_PORT = 15000, 15021, 15012
DNS_PORT = 15053
"""As Istio's agent has for DNS; here the sandbox's own server for Envoys."""

TYPE = "type.googleapis.com/envoy"


@dataclass(frozen=True, kw_only=True)
class Start:
    """One Envoy to start."""

    role: str
    name: str
    namespace: str
    ip: str
    istiod: str
    """The address istiod is reached at."""

    metadata: Mapping[str, Any]
    """Istio's node metadata."""

    name_server: str = ""
    """Where the cluster's DNS answers Envoys; empty for the machine's own resolver."""

    probers: Mapping[str, Any] = field(default_factory=dict)
    """The app's probes, by the path that asks for each."""

    credentials: str = f"../agent/{credentials.SOCKET}"
    """The socket where the token for istiod and its root are asked for."""

    refresh: float = 15.0
    """Seconds between two such questions: a proxy reconnects so long after istiod got another root."""


TUNNELS = {
    # An app that sends its answer and closes at once: the reset between two internal connections would overtake its
    # last bytes (Envoy 1.40, seen with trace logs).
    "envoy.reloadable_features.enable_send_rst_on_user_space_socket": False,
}
"""Switches of an Envoy whose tunnels carry TCP to its last byte."""


def bootstrap(start: Start) -> dict[str, Any]:
    """Envoy's configuration file."""
    return {
        "node": {
            "id": f"{start.role}~{start.ip}~{start.name}.{start.namespace}~{start.namespace}.svc.cluster.local",
            "cluster": f"{start.metadata.get('WORKLOAD_NAME', start.name)}.{start.namespace}",
            "metadata": dict(start.metadata),
        },
        "admin": {"address": agentport.socket(ADMIN_PORT)},
        # Whoever is called sees the pod, not the machine's first loopback address.
        "cluster_manager": {"upstream_bind_config": {"source_address": {"address": start.ip, "port_value": 0}}},
        **({"typed_dns_resolver_config": _resolver(start.name_server)} if start.name_server else {}),
        # Tunnels of HBONE begin and end at listeners without an address.
        "bootstrap_extensions": [{"name": "envoy.bootstrap.internal_listener", "typed_config": _INTERNAL}],
        # Nothing by the clock: an idle mesh should cost nothing. Histograms are brought up to date when somebody asks.
        "stats_flush_on_admin": True,
        "stats_config": {
            "use_all_default_tags": False,
            "stats_tags": _TAGS,
            "stats_matcher": {"inclusion_list": {"patterns": _COUNTED}},
        },
        "watchdogs": {
            "main_thread_watchdog": _WATCHDOG,
            "worker_watchdog": _WATCHDOG,
        },
        "layered_runtime": {
            "layers": [
                {
                    "name": "labkit",
                    "static_layer": {
                        "overload.global_downstream_max_connections": 50000,
                        # As Istio: without it Envoy refuses expressions of more than 100 steps.
                        "re2.max_program_size.error_level": 32768,
                        # Istio's proxies send their spans every five seconds: here somebody waits for them.
                        "tracing.opentelemetry.flush_interval_ms": 300,
                        "tracing.zipkin.flush_interval_ms": 300,
                        **(TUNNELS if start.role in ("ztunnel", "waypoint") else {}),
                    },
                }
            ]
        },
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "grpc_services": [
                    {
                        "envoy_grpc": {
                            "cluster_name": "xds-grpc",
                            "retry_policy": {"retry_back_off": {"base_interval": "0.1s", "max_interval": "1s"}},
                        },
                    }
                ],
            },
            "lds_config": _ADS,
            "cds_config": _ADS,
        },
        "static_resources": {
            "clusters": [
                _xds_upstream(start),
                _upstream(credentials.UPSTREAM, {"pipe": {"path": start.credentials}}),
                _admin_upstream(),
                _upstream(agentport.METRICS, {"pipe": {"path": METRICS}}),
                *agentport.clusters(start.probers),
            ],
            "listeners": [_ready_listener(start), agentport.listener(start.ip, start.probers)],
        },
    }


_INTERNAL = {"@type": f"{TYPE}.extensions.bootstrap.internal_listener.v3.InternalListener"}
_ADS = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}
_PARTS = ("cluster_manager.", "listener_manager.", "server.", "cluster.xds-grpc.")
_REQUESTS = ("total", "completed", "5xx", "active", "pending_active", "pending_overflow", "retry", "timeout")
_CONNECTIONS = ("active", "total", "overflow", "connect_fail")
_COUNTED = [
    {"prefix": "istiocustom."},
    *({"prefix": part} for part in _PARTS),
    *({"contains": part} for part in (".circuit_breakers.", ".outlier_detection.")),
    # Of rate limits, which an EnvoyFilter brings: the local filter's prefix is its writer's.
    *({"contains": part} for part in (".http_local_rate_limit.", ".ratelimit.")),
    # Envoy's health_check filter answers 503 where it cannot read how many endpoints of a cluster are healthy.
    {"safe_regex": {"regex": rf"cluster\.{agentport.PROBES}.*\.membership_(total|healthy|degraded)"}},
    *({"suffix": f".upstream_rq_{name}"} for name in _REQUESTS),
    *({"suffix": f".upstream_cx_{name}"} for name in _CONNECTIONS),
    *({"suffix": f".downstream_rq_{name}"} for name in ("total", "completed", "5xx")),
    *({"suffix": f".downstream_cx_{name}"} for name in ("total", "active")),
]
"""Statistics that are kept. Istio too leaves most of Envoy's out: a thousand a proxy that nobody reads are memory, and
work for each request."""

_TAGS = [
    {"tag_name": "cluster_name", "regex": r"^cluster\.((.+?);\.)"},
    {"tag_name": "tcp_prefix", "regex": r"^tcp\.((.*?)\.)\w+?$"},
    {"tag_name": "response_code", "regex": r"_rq(_(\d{3}))$"},
    {"tag_name": "response_code_class", "regex": r"_rq(_(\dxx))$"},
    {"tag_name": "http_conn_manager_prefix", "regex": r"^http\.((.+?);\.)"},
]
"""What Prometheus' text has as labels; the names that Istio gives end in a semicolon."""

_WATCHDOG = {"miss_timeout": "30s", "megamiss_timeout": "60s"}


def _address(ip: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": ip, "port_value": port}}


def _resolver(address: str) -> dict[str, Any]:
    return {
        "name": "envoy.network.dns_resolver.cares",
        "typed_config": {
            "@type": f"{TYPE}.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
            "resolvers": [_address(address, DNS_PORT)],
            "dns_resolver_options": {"no_default_search_domain": True},
        },
    }


def _upstream(name: str, address: dict[str, Any]) -> dict[str, Any]:
    endpoint = {"lb_endpoints": [{"endpoint": {"address": address}}]}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [endpoint]},
    }


def _admin_upstream() -> dict[str, Any]:
    return _upstream("agent", {"pipe": {"path": app_socket(ADMIN_PORT)}})


def _xds_upstream(start: Start) -> dict[str, Any]:
    context = {
        "@type": f"{TYPE}.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "sni": credentials.ISTIOD,
        "common_tls_context": {
            "alpn_protocols": ["h2"],
            "validation_context_sds_secret_config": _secret(start, credentials.ROOT),
        },
    }
    return {
        **_upstream("xds-grpc", _address(start.istiod, XDS_PORT)),
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {
                    "http2_protocol_options": {
                        "connection_keepalive": {"interval": "30s", "timeout": "10s"},
                    }
                },
                "http_filters": _shows_token(start),
            }
        },
        "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context},
    }


def _secret(start: Start, name: str) -> dict[str, Any]:
    """A secret that the agent's socket answers, asked for again and again."""
    source = {
        "api_type": "REST",
        "transport_api_version": "V3",
        "cluster_names": [credentials.UPSTREAM],
        "refresh_delay": f"{start.refresh:g}s",
        "request_timeout": "5s",
    }
    config = {"api_config_source": source, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
    return {"name": name, "sds_config": config}


def _shows_token(start: Start) -> list[dict[str, Any]]:
    """Filters that put the token on each stream to istiod."""
    extensions = f"{TYPE}.extensions"
    generic = {
        "@type": f"{extensions}.http.injected_credentials.generic.v3.Generic",
        "credential": _secret(start, credentials.TOKEN),
    }
    injector = {
        "@type": f"{extensions}.filters.http.credential_injector.v3.CredentialInjector",
        "credential": {"name": "envoy.http.injected_credentials.generic", "typed_config": generic},
    }
    codec = {"@type": f"{extensions}.filters.http.upstream_codec.v3.UpstreamCodec"}
    return [
        {"name": "envoy.filters.http.credential_injector", "typed_config": injector},
        {"name": "envoy.filters.http.upstream_codec", "typed_config": codec},
    ]


def _ready_listener(start: Start) -> dict[str, Any]:
    """``:15021/healthz/ready`` for the kubelet's probes."""
    route = {
        "match": {"path": "/healthz/ready"},
        "route": {"cluster": "agent", "prefix_rewrite": "/ready"},
    }
    manager = {
        "@type": f"{TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "agent",
        "route_config": {"virtual_hosts": [{"name": "ready", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{TYPE}.extensions.filters.http.router.v3.Router"},
            }
        ],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    first, *others = agentport.addresses(start.ip, READY_PORT)
    return {
        "name": "ready",
        "address": first,
        "additional_addresses": [{"address": address} for address in others],
        "filter_chains": [{"filters": filters}],
    }
