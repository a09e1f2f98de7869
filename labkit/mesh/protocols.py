"""How the protocol of a port is chosen: ``appProtocol``, else the name of the port."""

HTTP2 = frozenset({"HTTP2", "GRPC", "GRPC-WEB"})
HTTP = HTTP2 | {"HTTP"}
TLS = frozenset({"TLS", "HTTPS"})
UNKNOWN = "UNSUPPORTED"
"""Istio looks into the first bytes of each connection."""

BY_NAME = {
    "http": "HTTP",
    "http2": "HTTP2",
    "grpc": "GRPC",
    "grpc-web": "GRPC-WEB",
    "https": "HTTPS",
    "tls": "TLS",
    "tcp": "TCP",
    "mongo": "MONGO",
    "mysql": "MYSQL",
    "redis": "REDIS",
    "udp": "UDP",
}
APP_PROTOCOLS = {"kubernetes.io/h2c": "HTTP2", "kubernetes.io/ws": "HTTP", "kubernetes.io/wss": "HTTPS"}
TCP_PORTS = frozenset({25, 53, 3306, 27017})
"""Servers speak first on these: looking into the first bytes would wait for ever."""


def of_port(name: str, number: int, app_protocol: str | None = None) -> str:
    """The protocol of a Service's port: ``http-web`` is HTTP, ``foo`` is unknown."""
    if app_protocol in APP_PROTOCOLS:
        return APP_PROTOCOLS[app_protocol]
    word = (app_protocol or name).lower()
    prefix = "grpc-web" if word.startswith("grpc-web") else word.split("-")[0]
    return BY_NAME.get(prefix) or ("TCP" if number in TCP_PORTS else UNKNOWN)


def is_http(protocol: str) -> bool:
    """Whether requests of this protocol are routed by their content."""
    return protocol in HTTP


def may_be_http(protocol: str) -> bool:
    """HTTP, or not known before the first bytes."""
    return protocol in HTTP or protocol == UNKNOWN
