"""Lesson 21, the clinic: twelve incidents."""

from labkit.base import errors, settings
from labkit.exercises import flows, symptoms, written
from labkit.exercises.clinic import Incident, exercise
from labkit.kube import manifests, resources
from labkit.traffic import tokens

JASON = written.when({"end-user": {"exact": "jason"}})
V1 = written.virtual_service("reviews", written.split(v1=None))
SERVICE = (
    "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n  labels: {{app: {name}, service: {name}}}\nspec:\n"
)
SERVICE += "  selector: {{app: {name}}}\n  ports:\n  - {{name: http, port: {port}, targetPort: {target}}}\n"
PERMISSIVE_HTTPBIN = """apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: httpbin}
spec:
  selector: {matchLabels: {app: httpbin}}
  mtls: {mode: PERMISSIVE}
"""
AUDIENCE = f"""apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{name: httpbin}}
spec:
  selector: {{matchLabels: {{app: httpbin}}}}
  jwtRules:
  - issuer: {tokens.ISSUER}
    audiences: [shop]
    jwks: '{tokens.jwks()}'
"""
CALLERS = f"""apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: productpage-callers}}
spec:
  selector: {{matchLabels: {{app: productpage}}}}
  action: ALLOW
  rules:
  - from:
    - source:
        principals:
        - cluster.local/ns/default/sa/default
        - cluster.local/ns/istio-system/sa/{symptoms.GATEWAY_ACCOUNT}
"""
SECURE = """apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: secure}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: [secure.example.com]
    tls: {httpsRedirect: true}
"""
BACKUP = """apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ratings-backup}
spec:
  hosts: [ratings-backup.example.com]
  location: MESH_INTERNAL
  resolution: STATIC
  ports:
  - {number: 9080, name: http, protocol: HTTP}
  endpoints:
  - {address: 127.0.0.1, ports: {http: 9999}}
"""


def _ratings() -> str:
    """Deployment ratings-v1 as Bookinfo has it, with its one replica written down."""
    own = manifests.read(settings.CHECKOUT / "notebooks" / "manifests" / "bookinfo.yaml")
    deployment = next(o for o in own if o["kind"] == "Deployment" and resources.name_of(o) == "ratings-v1")
    return manifests.dump({**deployment, "spec": {**deployment["spec"], "replicas": 1}})


INCIDENTS = (
    Incident(
        number=1,
        manifest="clinic-c1.yaml",
        complaint="Since this morning there are no reviews on any page. The other parts are fine.",
        done_when="reviews answer again",
        culprits=("virtualservice/reviews",),
        fields=("http.route.destination.subset", "http"),
        effects=("no-cluster",),
        symptom=symptoms.answers(flows.REVIEWS),
        ways=(symptoms.way_of_reviews(),),
        hints=(
            "Ask istioctl analyze first.",
            "Where does the route of productpage's proxy lead? istioctl proxy-config route shows it.",
            "The route names a subset that DestinationRule reviews does not have.",
        ),
        solution=V1,
        note="its subset v4 is in no DestinationRule",
        another=(written.virtual_service("reviews", written.split(v3=None)), "another version"),
    ),
    Incident(
        number=2,
        manifest="clinic-c2.yaml",
        complaint="Reviews were moved to v2. They answer 503, and v2 has a pod that is ready.",
        done_when="reviews answer, from v2",
        culprits=("destinationrule/reviews",),
        fields=("subsets.labels", "subsets.labels.version"),
        effects=("no-endpoints",),
        symptom=symptoms.only("v2"),
        ways=(symptoms.way_of_reviews("v2"),),
        hints=(
            "The cluster exists. Does it have endpoints?",
            "Run istioctl proxy-config endpoint for the cluster of subset v2: does it list an endpoint?",
            "Compare the labels of subset v2 with those of the pods: kubectl get pods --show-labels.",
        ),
        solution=written.subsets("reviews", v1="v1", v2="v2", v3="v3"),
        note="the labels of subset v2 say version 2, and pods have version v2",
    ),
    Incident(
        number=3,
        manifest="clinic-c3.yaml",
        complaint="The old client in namespace legacy, which gets no sidecar, has no answer from httpbin any more.",
        done_when="httpbin takes plain requests, all others are STRICT",
        culprits=("peerauthentication/default",),
        fields=("mtls.mode", "mtls"),
        effects=("plaintext-refused",),
        symptom=symptoms.httpbin_takes_plain_text,
        lost=symptoms.others_are_strict,
        hints=(
            "The connection is reset before any HTTP: which proxy closes it, and why?",
            "istioctl x describe pod says which mode of mutual TLS a workload has.",
            "A PeerAuthentication for httpbin alone overrides that of its namespace.",
        ),
        solution=PERMISSIVE_HTTPBIN,
        note="STRICT refuses the plain text of a client without a sidecar",
        another=(PERMISSIVE_HTTPBIN.replace("name: httpbin}", "name: old-clients}", 1), "under another name"),
    ),
    Incident(
        number=4,
        manifest="clinic-c4.yaml",
        complaint="A rule sends all reviews to v1. Nobody gets an error, and stars still come and go.",
        done_when="reviews come from v1 alone",
        culprits=("virtualservice/reviews-to-v1",),
        fields=("hosts",),
        effects=("not-applied",),
        symptom=symptoms.only("v1"),
        ways=(symptoms.way_of_reviews("v1"),),
        hints=(
            "Does the proxy have the rule? Look for it in the column VIRTUAL SERVICE of proxy-config route.",
            "A rule names its hosts. What is the Service's full name?",
            "Istio does not complete a name with a dot: reviews.default is no Service of the mesh.",
        ),
        solution=written.virtual_service("reviews", written.split(v1=None), name="reviews-to-v1"),
        note="its host reviews.default is no full name of a Service",
        another=(
            written.virtual_service("reviews.default.svc.cluster.local", written.split(v1=None), name="reviews-to-v1"),
            "by the full name",
        ),
    ),
    Incident(
        number=5,
        manifest="clinic-c5.yaml",
        complaint="All reviews went to v1, until somebody tidied up the names of ports. Now every version answers.",
        done_when="reviews come from v1 alone",
        culprits=("service/reviews",),
        fields=("ports.name", "ports.appProtocol", "ports"),
        effects=("treated-as-tcp",),
        symptom=symptoms.only("v1"),
        ways=(symptoms.way_of_reviews("v1"),),
        hints=(
            "The VirtualService has not changed. Does the proxy have a route for reviews?",
            "istioctl proxy-config listener --port 9080: which of the Services is handled as TCP?",
            "The name of a Service's port sets its protocol; http rules have no effect on a TCP port.",
        ),
        solution=SERVICE.format(name="reviews", port=9080, target=9080),
        note="its port is named tcp, so http rules have no effect",
        another=(
            SERVICE.format(name="reviews", port=9080, target=9080).replace(
                "name: http,", "name: tcp, appProtocol: http,"
            ),
            "by appProtocol",
        ),
    ),
    Incident(
        number=6,
        manifest="clinic-c6.yaml",
        complaint="Users send tokens for the audience shop, and httpbin refuses them. Yesterday it took them.",
        done_when="tokens for shop are taken",
        culprits=("requestauthentication/httpbin",),
        fields=("jwtRules.audiences",),
        effects=("token-refused",),
        symptom=symptoms.both(
            symptoms.audience_fits, symptoms.inside("http://httpbin:8000/get", token=symptoms.shop_token)
        ),
        lost=symptoms.there(
            resources.AUTHORIZATION_POLICIES, "httpbin-users", "the rule that only users with a token may call"
        ),
        hints=(
            "Is it 401 or 403? Only one of them means that the token itself is refused.",
            "Which claims does the token have, and which of them does RequestAuthentication httpbin compare?",
            "The object's audiences list billing; the token's audience is shop.",
        ),
        solution=AUDIENCE,
        note="audiences has billing, and tokens are for shop",
        another=(AUDIENCE.replace("[shop]", "[billing, shop]"), "both audiences"),
    ),
    Incident(
        number=7,
        manifest="clinic-c7.yaml",
        complaint="Since the shop got a list of allowed callers, it answers 403 to everybody.",
        done_when="the shop answers, and its list of callers is still there",
        culprits=("authorizationpolicy/productpage-callers",),
        fields=("rules.from.source.principals", "rules", "rules.from"),
        effects=("caller-refused",),
        symptom=symptoms.both(symptoms.gateway_is_admitted, symptoms.answers(symptoms.PAGE)),
        lost=symptoms.names_callers,
        hints=(
            '"RBAC: access denied" is said by the sidecar of which pod?',
            "istioctl x authz check lists the policies of a pod. Who may pass, and who calls?",
            "Requests from outside come with the identity of the ingress gateway.",
        ),
        solution=CALLERS,
        note="the principal of the gateway is missing in its sources",
        another=(CALLERS.replace("        - cluster.local/ns/default/sa/default\n", ""), "the gateway alone"),
    ),
    Incident(
        number=8,
        manifest="clinic-c8.yaml",
        complaint="Reviews come, and every one of them says that ratings are currently unavailable.",
        done_when="ratings answer again",
        culprits=("deployment/ratings-v1",),
        fields=("replicas",),
        effects=("no-endpoints",),
        symptom=symptoms.ratings_run,
        hints=(
            "Call ratings directly, from inside the mesh and without reviews. What does it answer?",
            '"no healthy upstream": the cluster exists. Does it have endpoints?',
            "kubectl get deployments: how many pods does ratings-v1 have?",
        ),
        solution=_ratings(),
        note="it is scaled to 0 replicas, so ratings has no endpoints",
    ),
    Incident(
        number=9,
        manifest="clinic-c9.yaml",
        complaint="The user jason should see v2. He sees v1 like everybody else.",
        done_when="jason sees v2, all others v1",
        culprits=("virtualservice/reviews",),
        fields=("http.match.headers", "http.match.headers.end-user", "http.match.headers.end-user.exact", "http.match"),
        effects=("never-matches",),
        symptom=symptoms.only("v2", user="jason"),
        ways=(symptoms.way_of_reviews("v2", user="jason"), symptoms.way_of_reviews("v1")),
        lost=symptoms.both(symptoms.only("v1"), symptoms.only("v1", user="mary")),
        hints=(
            "The proxy has the rule and follows its second route. What does the first route match on?",
            "lab.explain with the header end-user shows which routes did not match, and why.",
            "Envoy ignores the case of header names, but not of header values.",
        ),
        solution=written.virtual_service(
            "reviews",
            {**written.when({"end-user": {"exact": "jason"}}), **written.split(v2=None)},
            written.split(v1=None),
        ),
        note="the header's value is matched with its case, and Jason is not jason",
    ),
    Incident(
        number=10,
        manifest="clinic-c10.yaml",
        complaint="Browsers are sent to https, where nobody answers. The shop has never had a certificate.",
        done_when="the shop answers over plain HTTP",
        culprits=("gateway/secure",),
        fields=("servers.tls.httpsRedirect", "servers.hosts", "servers.tls"),
        effects=("redirected",),
        symptom=symptoms.answers(symptoms.PAGE),
        hints=(
            "Which status do browsers get, and does it come from the shop or from the gateway?",
            "istioctl analyze has an IST0145. Which two objects does it name?",
            "Gateway secure asks for a redirect of every host on port 80.",
        ),
        solution=SECURE,
        note="its httpsRedirect is for every host, so it conflicts with the shop's Gateway",
    ),
    Incident(
        number=11,
        manifest="clinic-c11.yaml",
        complaint="Since its Service was copied from another one, httpbin answers 502 to everybody in the mesh.",
        done_when="httpbin answers 200",
        culprits=("service/httpbin",),
        fields=("ports.name", "ports.appProtocol", "ports"),
        effects=("wrong-protocol",),
        symptom=symptoms.port_is_http1,
        hints=(
            "502 and a protocol error: which protocol does each side speak?",
            "The pod's sidecar takes the protocol for the program from the name of the Service's port.",
            "The port is named http2, but the program speaks only HTTP/1.1.",
        ),
        solution=SERVICE.format(name="httpbin", port=8000, target=8080),
        note="the port is named http2, and the program does not speak that protocol",
        another=(
            SERVICE.format(name="httpbin", port=8000, target=8080).replace("name: http,", "name: http-web,"),
            "another name of the same protocol",
        ),
    ),
    Incident(
        number=12,
        manifest="clinic-c12.yaml",
        complaint="About half of the requests to ratings fail, and its only pod is healthy.",
        done_when="every request to ratings is answered",
        culprits=("serviceentry/ratings-backup",),
        fields=("hosts", "endpoints", "endpoints.address", "endpoints.ports", "endpoints.ports.http"),
        effects=("dead-endpoint",),
        symptom=symptoms.ratings_have_own_endpoints,
        hints=(
            "Half of them: how many endpoints does the cluster of ratings have?",
            "Run istioctl proxy-config endpoint: which address does not belong to a pod?",
            "A ServiceEntry with the host of a Service adds its endpoints to the Service's.",
        ),
        solution=BACKUP,
        note="its host is that of the Service, so its dead endpoint is added to it",
    ),
)

BY_NAME = {incident.name: incident for incident in INCIDENTS}


class UnknownIncidentError(errors.LabError):
    """There is no such incident."""

    def __init__(self, name: str) -> None:
        super().__init__(f'There is no incident {name!r}.\nKnown: {", ".join(BY_NAME)}\nNext: lab.break_("c1")')


def incident(name: str) -> Incident:
    """The incident ``c3``; UnknownIncidentError lists what there is."""
    if str(name) not in BY_NAME:
        raise UnknownIncidentError(name)
    return BY_NAME[name]


EXERCISES = tuple(map(exercise, INCIDENTS))
