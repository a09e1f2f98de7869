"""Rules of ``istioctl analyze`` that no recorded scene shows: one object that breaks each, and one that does not."""

import pytest

from labkit.mesh.analysis import Snapshot, analyze
from tests.mesh.analysis import scene

ROUTE = [{"destination": {"host": "reviews"}}]


def istio(kind, spec, name="x", namespace="default", **metadata):
    group = {"AuthorizationPolicy": "security", "RequestAuthentication": "security", "Telemetry": "telemetry"}
    meta = {"name": name, "namespace": namespace, **metadata}
    return {"apiVersion": f"{group.get(kind, 'networking')}.istio.io/v1", "kind": kind, "metadata": meta, "spec": spec}


def service(spec, name="s", **metadata):
    return {"kind": "Service", "metadata": {"name": name, "namespace": "default", **metadata}, "spec": spec}


def http(*rules, hosts=("reviews",), **spec):
    return {"hosts": list(hosts), "http": list(rules), **spec}


def codes(*objects):
    before = {(m.code, m.origin) for m in analyze(Snapshot(scene.applied([])))}
    return sorted({m.code for m in analyze(Snapshot(scene.applied(objects))) if (m.code, m.origin) not in before})


def door(number=80, hosts=("a.example.com",), name="g", **server):
    port = {"number": number, "name": "p", "protocol": "HTTPS" if "tls" in server else "HTTP"}
    return istio(
        "Gateway",
        {"selector": {"istio": "ingressgateway"}, "servers": [{"port": port, "hosts": list(hosts), **server}]},
        name,
    )


def secure(name="c"):
    return {"mode": "SIMPLE", "credentialName": name}


def secret(data):
    return {"kind": "Secret", "metadata": {"name": "c", "namespace": "istio-system"}, "data": data}


PAIR = {
    "tls.crt": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==",
    "tls.key": "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCg==",
}
TWO_PORTS = service({"ports": [{"name": "http", "port": 80}, {"name": "http-b", "port": 81}]}, "two")
SPLIT = {"route": [{"destination": {"host": "reviews", "subset": "v1"}}]}
SUBSETS = istio("DestinationRule", {"host": "reviews", "subsets": [{"name": "v1", "labels": {"version": "v1"}}]})
CLAIM = {"match": [{"headers": {"@request.auth.claims.group": {"exact": "a"}}}], "route": ROUTE}
TOKENS = istio("RequestAuthentication", {}, namespace="istio-system")
OUT = {"route": [{"destination": {"host": "a.example.com"}}]}
OWN = {"egress": [{"hosts": ["./*"]}]}
AMBIENT = {"kind": "Namespace", "metadata": {"name": "amb", "labels": {"istio.io/dataplane-mode": "ambient"}}}
REDIRECTED = {
    **scene.pod("calm", {"app": "calm"}, "amb", proxy=False),
    "metadata": {
        "name": "calm",
        "namespace": "amb",
        "labels": {"app": "calm"},
        "annotations": {"ambient.istio.io/redirection": "enabled"},
    },
}
KUBE_GATEWAY = scene.pod("door-istio-1", {"gateway.networking.k8s.io/gateway-name": "door"}, "default")
AT_DOOR = {"selector": {"matchLabels": {"gateway.networking.k8s.io/gateway-name": "door"}}}
TARGET = {"targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "door"}]}
PLACEHOLDER = {"spec": {"containers": [{"name": "istio-proxy", "image": "auto"}]}}
INJECTOR = {
    "kind": "MutatingWebhookConfiguration",
    "metadata": {"name": "istio-sidecar-injector", "labels": {"app": "sidecar-injector"}},
    "webhooks": [
        {
            "clientConfig": {"service": {"name": "reviews", "namespace": "default"}},
            "namespaceSelector": {
                "matchExpressions": [{"key": "istio-injection", "operator": "In", "values": ["enabled"]}]
            },
        }
    ],
}


def deployment(namespace):
    metadata = {"name": "gate", "namespace": namespace}
    template = {"metadata": {"labels": {"app": "gate"}}, **PLACEHOLDER}
    return {"kind": "Deployment", "metadata": metadata, "spec": {"template": template}}


WILDCARD = istio(
    "ServiceEntry",
    {"hosts": ["*.example.com"], "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}], "resolution": "NONE"},
)
FULL = "reviews.default.svc.cluster.local"
BY_NAMESPACE = {"route": [{"destination": {"host": "httpbin.other"}}]}
AT_EDGE = {"hosts": ["a.example.com"], "gateways": ["g"]}

CASES = {
    "a Gateway on a port that no Service of its pods has": ([door(9999)], ["IST0162"]),
    "a Gateway on the target port": ([door(8080, ["b.example.com"], bind="127.0.0.1")], []),
    "hosts of two Gateways that overlap by a wildcard": (
        [door(hosts=["*.example.com"]), door(hosts=["a.example.com"], name="h")],
        ["IST0145"],
    ),
    "a bind of its own": ([door(), door(name="h", bind="127.0.0.1")], []),
    "a Secret without a key": ([door(443, tls=secure()), secret({"tls.crt": PAIR["tls.crt"]})], ["IST0161"]),
    "a Secret with both": ([door(443, tls=secure()), secret(PAIR)], []),
    "a destination without one of two ports": (
        [TWO_PORTS, istio("VirtualService", http({"route": [{"destination": {"host": "two"}}]}, hosts=["two"]))],
        ["IST0112"],
    ),
    "a host with its namespace is no Service": (
        [istio("VirtualService", http(BY_NAMESPACE, hosts=["h.example.com"]))],
        ["IST0101"],
    ),
    "the whole name of a Service elsewhere": (
        [istio("VirtualService", http({"route": [{"destination": {"host": "httpbin.other.svc.cluster.local"}}]}))],
        [],
    ),
    "a mirror to a subset that nobody defined": (
        [istio("VirtualService", http({"route": ROUTE, "mirror": {"host": "reviews", "subset": "v4"}}))],
        ["IST0101"],
    ),
    "rules of one namespace against rules of all": (
        [
            istio("VirtualService", http({"route": ROUTE}, exportTo=["."]), "a"),
            istio("VirtualService", http({"route": ROUTE}), "b"),
        ],
        ["IST0109"],
    ),
    "rules of two namespaces for themselves": (
        [
            istio("VirtualService", http({"route": ROUTE}, exportTo=["."]), "a"),
            istio("VirtualService", http({"route": ROUTE}, hosts=[FULL], exportTo=["."]), "b", "legacy"),
        ],
        ["IST0101"],
    ),
    "a gateway that serves another namespace": (
        [door(hosts=["other/a.example.com"]), istio("VirtualService", {**http({"route": ROUTE}), **AT_EDGE})],
        ["IST0132"],
    ),
    "subsets that an edge does not hear of": (
        [
            SUBSETS,
            door(),
            istio("VirtualService", http(SPLIT), "inside"),
            istio("VirtualService", {**http({"route": ROUTE}), **AT_EDGE}, "edge"),
        ],
        ["IST0140"],
    ),
    "routing by a claim that nobody checks": (
        [door(), istio("VirtualService", {**http(CLAIM), **AT_EDGE})],
        ["IST0149"],
    ),
    "routing by a claim that is checked": ([door(), TOKENS, istio("VirtualService", {**http(CLAIM), **AT_EDGE})], []),
    "a policy for pods outside the mesh": (
        [istio("AuthorizationPolicy", {"selector": {"matchLabels": {"app": "curl"}}}, namespace="legacy")],
        ["IST0127"],
    ),
    "a policy for a whole namespace outside the mesh": (
        [istio("AuthorizationPolicy", {"action": "ALLOW"}, namespace="legacy")],
        ["IST0127"],
    ),
    "namespaces by a pattern that fits": (
        [istio("AuthorizationPolicy", {"rules": [{"from": [{"source": {"namespaces": ["oth*"]}}]}]})],
        [],
    ),
    "namespaces by a pattern that fits none": (
        [istio("AuthorizationPolicy", {"rules": [{"from": [{"source": {"namespaces": ["nosuch*"]}}]}]})],
        ["IST0101"],
    ),
    "two Telemetries for one pod": (
        [istio("Telemetry", {"selector": {"matchLabels": {"app": "ratings"}}}, name) for name in "ab"],
        ["IST0159"],
    ),
    "access logs to nobody": ([istio("Telemetry", {"accessLogging": [{}]})], ["IST0157"]),
    "access logs to a provider": ([istio("Telemetry", {"accessLogging": [{"providers": [{"name": "envoy"}]}]})], []),
    "TLS without a CA on one port": (
        [
            istio(
                "DestinationRule",
                {
                    "host": "reviews",
                    "trafficPolicy": {"portLevelSettings": [{"port": {"number": 9080}, "tls": {"mode": "SIMPLE"}}]},
                },
            )
        ],
        ["IST0129"],
    ),
    "an appProtocol says enough": ([service({"ports": [{"name": "foo", "port": 1, "appProtocol": "http"}]})], []),
    "an appProtocol that Istio does not know": (
        [service({"ports": [{"name": "http", "port": 1, "appProtocol": "foo"}]})],
        ["IST0118"],
    ),
    "a waypoint's port": ([service({"ports": [{"name": "mesh", "port": 15008, "appProtocol": "hbone"}]})], []),
    "a well-known port": ([service({"ports": [{"name": "db", "port": 3306}]})], []),
    "an ExternalName with a port called tcp": (
        [service({"type": "ExternalName", "externalName": "a.com", "ports": [{"name": "tcp", "port": 443}]})],
        ["IST0150"],
    ),
    "one port of a Deployment by two protocols": (
        [
            service({"selector": {"app": "ratings"}, "ports": [{"name": "dns", "port": 9080, "protocol": "UDP"}]}),
        ],
        ["IST0116"],
    ),
    "an annotation with a wrong value": (
        [
            {
                "kind": "Pod",
                "metadata": {"name": "p", "namespace": "default", "annotations": {"status.sidecar.istio.io/port": "x"}},
                "spec": {"containers": []},
            }
        ],
        ["IST0125"],
    ),
    "a suppressed code": (
        [istio("DestinationRule", {"host": "nosuch"}, annotations={"galley.istio.io/analyze-suppress": "IST0174"})],
        [],
    ),
    "REPLACE of a cluster": (
        [
            istio(
                "EnvoyFilter",
                {"priority": 1, "configPatches": [{"applyTo": "CLUSTER", "patch": {"operation": "REPLACE"}}]},
            )
        ],
        ["IST0106", "IST0133", "IST0152"],
    ),
    "a Sidecar for a namespace in ambient": ([AMBIENT, istio("Sidecar", OWN, namespace="amb")], ["IST0167"]),
    "a Sidecar for a pod in ambient": (
        [
            AMBIENT,
            REDIRECTED,
            istio("Sidecar", {**OWN, "workloadSelector": {"labels": {"app": "calm"}}}, namespace="amb"),
        ],
        ["IST0167"],
    ),
    "a policy for a pod in ambient": (
        [
            AMBIENT,
            REDIRECTED,
            istio("AuthorizationPolicy", {"selector": {"matchLabels": {"app": "calm"}}}, namespace="amb"),
        ],
        [],
    ),
    "a selector of a Gateway API gateway": ([KUBE_GATEWAY, istio("AuthorizationPolicy", AT_DOOR)], ["IST0166"]),
    "a target beside it": ([KUBE_GATEWAY, istio("AuthorizationPolicy", {**AT_DOOR, **TARGET})], ["IST0106"]),
    "a route at a Gateway of istiod's own": (
        [istio("VirtualService", {**http({"route": ROUTE}), "gateways": ["d~istio-autogenerated-k8s-gateway~http"]})],
        ["IST0106", "IST0165"],
    ),
    "a gateway's Deployment that nobody injects": ([INJECTOR, deployment("legacy")], ["IST0146", "IST0147"]),
    "a gateway's pod that nobody has injected": (
        [{"kind": "Pod", "metadata": {"name": "gate", "namespace": "legacy"}, **PLACEHOLDER}],
        ["IST0147"],
    ),
    "a host by a wildcard ServiceEntry": ([WILDCARD, istio("VirtualService", http(OUT, hosts=["a.example.com"]))], []),
}


@pytest.mark.parametrize(("objects", "expected"), CASES.values(), ids=CASES.keys())
def test_istios_rule_holds(objects, expected):
    assert codes(*objects) == expected


def test_a_pod_from_before_the_label_lacks_its_proxy():
    pod = scene.pod("old", {}, "other", proxy=False)
    assert "IST0103" in {m.code for m in analyze(Snapshot([*scene.base(), pod]))}
