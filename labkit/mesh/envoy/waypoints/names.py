"""Names that Istio gives to the parts of a waypoint."""

TERMINATE, MAIN, ORIGINATE, ENCAP = "connect_terminate", "main_internal", "connect_originate", "encap"
INNER, OUTER = "inner_connect_originate", "outer_connect_originate"

ORIGINAL_DST = "envoy.filters.listener.original_dst"
"""The metadata of endpoints and the filter state that say where a connection goes in the end."""

LOCAL_IP, REMOTE_IP = f"{ORIGINAL_DST}.local_ip", f"{ORIGINAL_DST}.remote_ip"
DIRECT_HTTP, DIRECT_TCP = "direct-http", "direct-tcp"

PEER_PRINCIPAL, LOCAL_PRINCIPAL = "io.istio.peer_principal", "io.istio.local_principal"
AUTHORITY = "io.istio.connect_authority"
HASHABLE = "istio.hashable_string"
"""Istio's factory of filter state; upstream Envoy has the same as ``envoy.hashable_string``."""
