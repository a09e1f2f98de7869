"""Words that mean something in the golden scene, by the field that says them: what strategies are made of.

A key is the end of a path: ``match.port`` is every ``port`` of every ``match``, of any kind; the longest one counts.
Characters that Envoy lets into no text (NUL and the ends of lines) are in none of the words.
"""

from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st

from labkit.mesh.validation import servertls

Object = dict[str, Any]
Strategy = st.SearchStrategy[Any]


def one(*value: Any) -> Strategy:
    return st.sampled_from(value)


def some(*value: Any) -> Strategy:
    return st.lists(one(*value), min_size=1, max_size=3, unique_by=str)


NAME = one("it", "it", "part")
NAMESPACE = one("default", "default", "other", "istio-system")
LETTER = st.characters(exclude_categories=("Cc", "Cs"))
WORD = st.from_regex(r"[a-z]([a-z0-9-]{0,6}[a-z0-9])?", fullmatch=True)
TEXT = WORD | st.text(LETTER, max_size=8)
HEADER = WORD | one("X-Request-Id", "cookie", "content-type", "x-a.b")
AUTHORITY = HEADER | one("Host", ":authority")
DURATION = one("1s", "250ms", "1m30s", "0.5s", "2h", "1.5ms", "1h2m3.5s")
PERCENT = one(0) | st.floats(0.0001, 100)
WHOLE_PERCENT = st.integers(0, 100)
STATUS = st.integers(200, 599)
PORT = one(80, 443, 5432, 8080, 8443, 9090)
OPEN_PORT = one(8080, 8443, 9090, 31400)
"""What may be listened on without privileges."""

PORT_NAME = one("http", "tcp", "tls-a", "grpc", "x")
PROTOCOL = one("HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTPS", "TLS", "TCP", "MONGO", "http")
EXPRESSION = one("/[0-9]+", "a+|b", "(?i)jason", r"^\d{2}$", ".*", "a{1,900}")
HOSTS = (
    "web",
    "db",
    "client",
    "nosuch",
    "web.default.svc.cluster.local",
    "api.example.com",
    "*.example.com",
    "*-a.b",
)
LABELS = one({"app": "client"}, {"app": "web"}, {"version": "v1"}, {})
FILE = one("/etc/certs/cert.pem", "/etc/certs/key.pem")
SECRET = one("shop", "nosuch")
GATEWAY = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "it"}
SERVICES = st.builds(
    lambda name, namespace, spec: {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    },
    one("web", "db", "client", "other"),
    NAMESPACE,
    st.fixed_dictionaries(
        {
            "selector": LABELS,
            "ports": st.lists(
                st.fixed_dictionaries(
                    {"name": PORT_NAME, "port": PORT, "targetPort": OPEN_PORT},
                    optional={"appProtocol": one("http", "kubernetes.io/h2c", "tcp"), "protocol": one("TCP", "UDP")},
                ),
                min_size=1,
                max_size=3,
                unique_by=(lambda p: p["name"], lambda p: p["port"]),
            ),
        },
        optional={"clusterIP": one("None"), "type": one("ExternalName"), "externalName": one("api.example.com")},
    ),
)
"""Kubernetes' own: with an address, without one, and another name for a host."""

MESHES = one(
    {},
    {"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}},
    {"accessLogFile": "/dev/stdout", "accessLogEncoding": "JSON"},
    {"accessLogFile": "/dev/null", "accessLogFormat": "%METADATA(ROUTE:istio)% %REQ_WITHOUT_QUERY(:PATH)%"},
    {"enableAutoMtls": False, "trustDomainAliases": ["example.com"]},
    {"connectTimeout": "3s", "tcpKeepalive": {"probes": 3, "time": "1h"}, "h2UpgradePolicy": "UPGRADE"},
    {"defaultHttpRetryPolicy": {"attempts": 3, "retryOn": "5xx"}},
).map(lambda obj: {"apiVersion": "v1", "kind": "MeshConfig", "mesh": obj})

SERVICE = {"group": "", "kind": "Service", "name": "web"}

WORDS: Mapping[str, Strategy] = {
    "host": one(*HOSTS),
    "subset": one("v1", "v2", "v3"),
    "labels": LABELS,
    "matchLabels": LABELS,
    "exportTo": some(".", "*", "other", "default"),
    "gateways": some("mesh", "it"),
    "regex": EXPRESSION,
    "weight": WHOLE_PERCENT,
    "subjectAltNames": some("web", "spiffe://cluster.local/ns/default/sa/web", "*.example.com"),
    "credentialName": SECRET,
    "credentialNames": some("shop", "nosuch"),
    "caCertCredentialName": SECRET,
    "clientCertificate": FILE,
    "serverCertificate": FILE,
    "privateKey": FILE,
    "caCertificates": FILE,
    "caCrl": FILE,
    # VirtualService
    "VirtualService.hosts": some(*HOSTS),
    "match.port": PORT,
    "port.number": PORT,
    "sourceLabels": LABELS,
    "sourceNamespace": one("default", "other"),
    "sourceSubnet": one("10.0.0.0/8", "10.1.1.1"),
    "destinationSubnets": some("10.96.0.10", "10.96.0.0/16", "2001:db8::/32"),
    "sniHosts": some(*HOSTS),
    "remove": st.lists(HEADER, max_size=2),
    "uriRegexRewrite.match": EXPRESSION,
    "allowMethods": some("GET", "POST", "*"),
    "retryOn": one("5xx,503", "503", "gateway-error", "retriable-headers", "unavailable,500"),
    "attempts": st.integers(0, 5),
    "corsPolicy.maxAge": one("1s", "1h"),
    "httpStatus": STATUS,
    "grpcStatus": one("UNAVAILABLE", "NOT_FOUND"),
    "percentage.value": PERCENT,
    "mirrorPercentage.value": PERCENT,
    "mirrorPercent": WHOLE_PERCENT,
    "mirror_percent": WHOLE_PERCENT,
    "directResponse.status": STATUS,
    "body.bytes": one("YQ==", "AAAA"),
    "redirectCode": one(301, 302, 303, 304, 307, 308),
    "redirect.scheme": one("http", "https"),
    "delegate.name": one("part"),
    # DestinationRule
    "subsets.name": one("v1", "v2", "v3"),
    "httpCookie.name": WORD,
    "tableSize": one(2, 101, 65537),
    "minimumRingSize": one(0, 1, 1024, 65536),
    "maxEjectionPercent": WHOLE_PERCENT,
    "minHealthPercent": WHOLE_PERCENT,
    "tunnel.protocol": one("CONNECT", "POST"),
    "targetHost": one("web.example.com"),
    "targetPort": PORT,
    "failoverPriority": some("app", "version", "topology.kubernetes.io/zone"),
    "distribute.to": one({"a/*": 100}),
    # Gateway
    "Gateway.selector": one({"istio": "ingressgateway"}, {}),
    "servers.hosts": some(
        "*",
        "shop.example.com",
        "*.example.com",
        "./shop.example.com",
        "default/a.b",
        "10.0.0.1",
        "*-a.b",
        "Shop.example.com",
    ),
    "servers.port.number": one(80, 443, 8080, 9090, 31400),
    "servers.port.name": WORD,
    "servers.port.protocol": PROTOCOL,
    "servers.port.targetPort": one(0),
    "servers.bind": one("127.0.0.9"),
    "cipherSuites": some(*sorted(servertls.CIPHERS), "nosuch"),
    # ServiceEntry, WorkloadEntry
    "ServiceEntry.hosts": some("api.example.com", "*.example.com", "web.default.svc.cluster.local", "a.b"),
    "ServiceEntry.addresses": some("240.0.0.1", "203.0.113.0/24", "2001:db8::1"),
    "address": one("10.1.1.1", "2001:db8::2", "backend.example.com", "unix:///var/run/a.sock"),
    "locality": one("region", "region/zone", "region/zone/a/b", ""),
    "ports.name": PORT_NAME,
    "ports.number": PORT,
    "ports.protocol": PROTOCOL | one("UDP", ""),
    "endpoints.weight": st.integers(0, 2**32 - 1),
    "endpoints.ports": st.dictionaries(PORT_NAME, PORT, max_size=2),
    "WorkloadEntry.weight": st.integers(0, 2**32 - 1),
    "WorkloadEntry.ports": st.dictionaries(PORT_NAME, PORT, max_size=2),
    # Sidecar
    "egress.hosts": some("*/*", "./*", "./web.default.svc.cluster.local", "~/*", "other/*", "*/*.example.com"),
    "ingress.port.number": OPEN_PORT,
    "ingress.port.protocol": PROTOCOL,
    "defaultEndpoint": one("127.0.0.1:8080", "0.0.0.0:9000", "unix:///a.sock", "[::1]:80"),
    # PeerAuthentication, Telemetry
    "PeerAuthentication.selector": one({"matchLabels": {"app": "client"}}),
    "portLevelMtls": st.dictionaries(
        one("8080", "9090"), st.fixed_dictionaries({"mode": one("STRICT", "DISABLE", "UNSET")}), min_size=1
    ),
    "targetRef": one(GATEWAY),
    "targetRefs": one([GATEWAY]),
    "providers.name": one("envoy", "nosuch"),
    "filter.expression": one("response.code >= 500", "'x-a' in request.headers", "connection.mtls"),
    # The Gateway API
    "gatewayClassName": one("istio"),
    "parentRefs": one([{"name": "it"}], [{"name": "it", "sectionName": "http"}], [{"name": "it"}, SERVICE], [SERVICE])
    | one([{**SERVICE, "port": 8080}]),
    "hostname": one("shop.example.com", "*.example.com"),
    "hostnames": some("shop.example.com", "*.example.com", "a.b"),
    "listeners.name": one("http", "https", "tls", "tcp"),
    "listeners.port": OPEN_PORT,
    "listeners.protocol": one("HTTP", "HTTPS", "TLS", "TCP", "UDP"),
    "certificateRefs": some({"name": "shop"}, {"name": "nosuch"}),
    "allowedRoutes": one({"namespaces": {"from": "All"}}, {"namespaces": {"from": "Same"}}),
    "infrastructure": one({}),
    "addresses.value": one("10.1.1.1"),
    "backendRef": one({"name": "web", "port": 8080}, {"name": "nosuch", "port": 80}),
    "backendRefs.group": one(""),
    "backendRefs.kind": one("Service"),
    "backendRefs.namespace": one("default", "other"),
    "backendRefs.name": one("web", "db", "nosuch"),
    "backendRefs.port": PORT,
    "headers.name": HEADER,
    "set.name": HEADER,
    "add.name": HEADER,
    "path.value": one("/", "/a", "/a/b/", "/[0-9]+"),
    "replaceFullPath": one("/", "/new", "/new/"),
    "replacePrefixMatch": one("/", "/new", "/new/"),
    "cors.allowOrigins": some("https://example.com", "https://*.example.com", "*"),
    "timeouts.request": one("1s", "500ms", "0s"),
    "timeouts.backendRequest": one("1s", "500ms"),
    "method.service": one("a.B", "[a-z]+"),
    "method.method": one("Get", "[a-z]+"),
    "fraction": one({"numerator": 1, "denominator": 3}),
}
"""What a field may say."""

MAPS: Mapping[str, Strategy] = {
    "": TEXT,
    "headers": HEADER,
    "withoutHeaders": HEADER,
    "queryParams": WORD | st.text(LETTER, min_size=1, max_size=8),
    "request.set": AUTHORITY,
    "request.add": AUTHORITY,
    "set": HEADER,
    "add": HEADER,
}
"""The keys of a map."""

FILES = ("mode", "serverCertificate", "privateKey", "caCertificates")
NEEDED: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "": ((),),
    "VirtualService": (("hosts", "http"), ("hosts", "tls"), ("hosts", "tcp"), ("hosts", "http", "tcp"), ("http",)),
    "VirtualService.http": (("route",), ("redirect",), ("directResponse",), ("delegate",)),
    "VirtualService.tcp": (("route",),),
    "VirtualService.tls": (("route",),),
    "http.match": (("uri",), ("headers",), ("withoutHeaders",), ("queryParams",), ("method",), ("authority", "scheme")),
    "http.route": (("weight",),),
    "tls.route": (("weight",),),
    "tcp.route": (("weight",),),
    "redirect": (("uri",), ("authority",), ("scheme",), ("port",), ("derivePort",)),
    "rewrite": (("uri",), ("authority",), ("uriRegexRewrite",)),
    "uriRegexRewrite": (("match", "rewrite"),),
    "retries": (("attempts",),),
    "fault": (("delay",), ("abort",)),
    "DestinationRule": (("trafficPolicy",), ("subsets",), ("trafficPolicy", "subsets")),
    "trafficPolicy": (("connectionPool",), ("tls",), ("loadBalancer",), ("outlierDetection",), ("portLevelSettings",)),
    "portLevelSettings": (("port", "connectionPool"), ("port", "tls"), ("port", "loadBalancer")),
    "connectionPool": (("tcp",), ("http",)),
    "inboundConnectionPool": (("tcp",), ("http",)),
    "port": (("number",),),
    "Gateway": (("servers",),),
    "servers": (("tls",),),
    "servers.tls": (FILES, ("mode", "credentialName"), ("mode", "credentialNames")),
    "ServiceEntry": (("ports", "resolution"), ("ports", "resolution", "endpoints")),
    "endpoints": (("address",), ("network",)),
    "WorkloadEntry": (("address",), ("network",)),
    "Sidecar": (("egress",), ("ingress",)),
    "PeerAuthentication": (("selector", "portLevelMtls"), ("mtls",)),
    "Telemetry": (("accessLogging",), ()),
    "HTTPRoute": (("parentRefs", "rules"),),
    "HTTPRoute.rules": (("matches", "backendRefs"), ("backendRefs",), ("matches", "filters")),
    "HTTPRoute.rules.matches": (("path",), ("headers",), ("queryParams",), ("method",)),
    "filters": (
        ("requestHeaderModifier",),
        ("responseHeaderModifier",),
        ("requestMirror",),
        ("requestRedirect",),
        ("urlRewrite",),
        ("cors",),
    ),
    "requestRedirect.path": (("replaceFullPath",), ("replacePrefixMatch",)),
    "urlRewrite.path": (("replaceFullPath",), ("replacePrefixMatch",)),
    "GRPCRoute": (("parentRefs", "rules"),),
    "GRPCRoute.rules": (("matches", "backendRefs"), ("backendRefs",)),
    "GRPCRoute.rules.filters": (("requestHeaderModifier",), ("responseHeaderModifier",), ("requestMirror",)),
    "method": (("service",), ("method",), ("service", "method")),
    "backendRefs": (("port",),),
}
"""Which fields an object may not be without, one choice of several."""

APART: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "": (),
    "VirtualService.http": (
        ("route", "redirect", "directResponse", "delegate"),
        ("redirect", "fault"),
        ("redirect", "rewrite"),
        ("mirror", "mirrors"),
    ),
    "rewrite": (("uri", "uriRegexRewrite"),),
    "connectionPool.http": (("h2UpgradePolicy", "useClientProtocol"),),
    "tls": (
        ("insecureSkipVerify", "caCertificates"),
        ("insecureSkipVerify", "subjectAltNames"),
        ("credentialName", "clientCertificate", "caCertificates", "caCrl"),
        ("credentialName", "privateKey"),
        ("credentialName", "credentialNames", "tlsCertificates"),
    ),
    "localityLbSetting": (("distribute", "failover"),),
    "ServiceEntry": (("endpoints", "workloadSelector"),),
    "Telemetry": (("targetRef", "targetRefs", "selector"),),
    "requestMirror": (("percent", "fraction"),),
}
"""Fields of which at most one may be there."""

NEVER_EMPTY = frozenset(
    {"hosts", "http", "tls", "tcp", "route", "servers", "egress", "ingress", "sniHosts", "ports", "rules", "listeners"}
)
"""Lists with at least one item."""


def _virtual_service(spec: Object) -> Object:
    """A rule for TLS speaks of hosts of its VirtualService only."""
    names = [name for rule in spec.get("tls", ()) for match in rule["match"] for name in match["sniHosts"]]
    return {**spec, "hosts": list(dict.fromkeys([*spec.get("hosts", ()), *names]))}


def _server(server: Object) -> Object:
    """TLS where the protocol has it, and nowhere else."""
    if server["port"]["protocol"] in ("HTTPS", "TLS"):
        return server
    return {**server, "tls": {"httpsRedirect": bool(server["tls"].get("httpsRedirect"))}}


def _service_entry(spec: Object) -> Object:
    """Each port once; endpoints only where there is somebody to look at them."""
    ports = {p["number"]: p for p in {p["name"]: p for p in spec["ports"]}.values()}
    kept = {key: value for key, value in spec.items() if key != "endpoints" or spec["resolution"] != "NONE"}
    return {**kept, "ports": list(ports.values())}


def _sidecar(spec: Object) -> Object:
    """What speaks of all other ports comes last, once."""
    value = {"port" in egress: egress for egress in spec.get("egress", ())}
    return {**spec, "egress": [value[key] for key in (True, False) if key in value]} if value else spec


def _route_rule(rule: Object) -> Object:
    """Each filter once, a redirect alone."""
    filters = {f["type"]: f for f in rule.get("filters", ())}
    if "RequestRedirect" in filters:
        filters = {kind: f for kind, f in filters.items() if kind != "URLRewrite"}
        rule = {key: value for key, value in rule.items() if key != "backendRefs"}
    return {**rule, "filters": list(filters.values())}


def _gateway(spec: Object) -> Object:
    """Each listener once."""
    if "listeners" not in spec:
        return spec
    by_name = {listener["name"]: listener for listener in spec["listeners"]}
    return {**spec, "listeners": list({listener["port"]: listener for listener in by_name.values()}.values())}


def _listener(listener: Object) -> Object:
    """TLS and names where the protocol has them."""
    without = {"HTTP": ("tls",), "TCP": ("tls", "hostname"), "UDP": ("tls", "hostname")}
    return {key: value for key, value in listener.items() if key not in without.get(listener["protocol"], ())}


def _typed(value: Object) -> Object:
    """With the name of the first thing that it holds, and without the others."""
    held = next(key for key in value if key != "type")
    names = {"urlRewrite": "URLRewrite", "cors": "CORS"}
    return {"type": names.get(held, held[0].upper() + held[1:]), held: value[held]}


MENDED: Mapping[str, Callable[[Object], Object]] = {
    "": lambda obj: obj,
    "VirtualService": _virtual_service,
    "Gateway": _gateway,
    "Gateway.servers": _server,
    "ServiceEntry": _service_entry,
    "Sidecar": _sidecar,
    "Gateway.listeners": _listener,
    "HTTPRoute.rules": _route_rule,
    "rules.filters": _typed,
    "backendRefs.filters": _typed,
    "requestRedirect.path": _typed,
    "urlRewrite.path": _typed,
}
"""What makes objects valid that seldom are by chance."""
