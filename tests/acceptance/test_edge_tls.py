"""TLS at the edge and on the way out, as curl and openssl see it: every mode, on the run's own gateway."""

import datetime
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from labkit.base import waiting
from labkit.install import addresses, gateway
from labkit.traffic import fetching
from tests.acceptance import edge

pytestmark = pytest.mark.sandbox

SCENE = Path(__file__).with_name("edge.yaml")
HANDSHAKE, UNTRUSTED = 35, 60
"""curl's exit codes."""


@pytest.fixture(scope="module")
def trust(tmp_path_factory) -> edge.Trust:
    """Who signs for the shop and for its partners."""
    return edge.Trust(tmp_path_factory.mktemp("trust"), "shop-authority")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory) -> edge.Trust:
    """Somebody whom the shop does not trust."""
    return edge.Trust(tmp_path_factory.mktemp("foreign"), "another-authority")


@pytest.fixture(scope="module")
def shop(trust) -> edge.Files:
    return trust.issue("shop.test")


@pytest.fixture(scope="module")
def scene(kubectl, sandbox, trust, shop) -> Iterator[edge.Outside]:
    """The gateway's HTTPS port, open."""
    edge.put_secret(kubectl, "edge-shop", shop)
    edge.put_secret(kubectl, "edge-other", trust.issue("other.test"))
    edge.put_secret(kubectl, "edge-partner", trust.issue("partner.test"), trusted=trust)
    kubectl("apply", "-f", str(SCENE))
    kubectl("-n", "edge", "wait", "--for=condition=Available", "deployment", "--all", "--timeout=60s")
    outside = edge.Outside(*https_address(sandbox))
    try:
        waiting.until(
            lambda: outside.curl("shop.test", "/status/200", "--cacert", str(trust.root)).status == "200",
            what="https://shop.test",
            timeout=60,
            next_step="kubectl -n edge get pods,gateways.networking.istio.io",
        )
        yield outside
    finally:
        kubectl("delete", "namespace", "edge", "--wait=false")
        kubectl("-n", "istio-system", "delete", "secret", "edge-shop", "edge-other", "edge-partner")


def https_address(sandbox) -> tuple[str, int]:
    address = addresses.find(sandbox.client, "istio-ingressgateway", "istio-system", port=443, is_ingress=True)
    assert address is not None
    return address


def client(files: edge.Files | None) -> list[str]:
    return ["--cert", str(files.certificate), "--key", str(files.key)] if files else []


def test_each_host_has_the_certificate_of_its_secret(scene, trust, shop):
    trusting = ("--cacert", str(trust.root))
    assert [scene.curl(host, "/status/200", *trusting).status for host in ("shop.test", "other.test")] == ["200"] * 2
    assert scene.serial("shop.test") == edge.serial_of(shop) != scene.serial("other.test")


def test_a_client_that_does_not_trust_the_authority_is_warned(scene, foreign):
    assert scene.curl("shop.test", "/", "--cacert", str(foreign.root)).code == UNTRUSTED


@pytest.mark.parametrize("host", ["missing.test", "nobody.test"], ids=["its secret is missing", "no server has it"])
def test_a_host_without_a_certificate_gets_no_handshake(scene, host):
    assert scene.curl(host, "/", "-k").code == HANDSHAKE
    assert scene.serial(host) == ""


@pytest.mark.parametrize(
    ("host", "most", "status"),
    [("shop.test", "1.2", "200"), ("other.test", "1.2", "000"), ("other.test", "1.3", "200")],
    ids=["no least version", "an older version than the least", "the least version"],
)
def test_a_least_version_counts_for_its_host_alone(scene, trust, host, most, status):
    assert scene.curl(host, "/status/200", "--cacert", str(trust.root), "--tls-max", most).status == status


EXPIRED = datetime.timedelta(minutes=-1)
CALLERS = {
    "a partner": ("own", datetime.timedelta(days=1), "200", "200"),
    "nobody": ("none", EXPIRED, "000", "200"),
    "a stranger": ("foreign", datetime.timedelta(days=1), "000", "000"),
    "a partner of last year": ("own", EXPIRED, "000", "000"),
}


@pytest.mark.parametrize(("who", "life", "mutual", "optional"), CALLERS.values(), ids=CALLERS)
def test_who_is_let_in_by_certificate(scene, trust, foreign, who, life, mutual, optional):
    signers = {"own": trust, "foreign": foreign}
    files = signers[who].issue("partner", life=life) if who in signers else None
    answers = {host: scene.curl(host, "/status/200", "-k", *client(files)) for host in ("partner.test", "members.test")}
    assert [answer.status for answer in answers.values()] == [mutual, optional]
    assert all((answer.status == "200") == (answer.code == 0) for answer in answers.values())


def test_a_revoked_certificate_is_refused_and_its_neighbour_is_not(scene, kubectl, trust, tmp_path):
    good, bad = trust.issue("partner"), trust.issue("partner")
    revoked = tmp_path / "revoked.pem"
    revoked.write_bytes(trust.revoking(bad))
    edge.put_secret(kubectl, "edge-partner", trust.issue("partner.test"), trusted=trust, revoked=revoked)
    waiting.until(
        lambda: scene.curl("partner.test", "/status/200", "-k", *client(bad)).status == "000",
        what="a refusal of the revoked certificate",
        timeout=60,
        next_step="kubectl -n istio-system get secret edge-partner -o yaml",
    )
    assert scene.curl("partner.test", "/status/200", "-k", *client(good)).status == "200"
    edge.put_secret(kubectl, "edge-partner", trust.issue("partner.test"), trusted=trust)


def test_passthrough_leaves_the_certificate_to_the_server_behind(scene, trust):
    assert scene.curl("istiod.test", "/", "-k").status == "404"
    assert scene.curl("istiod.test", "/", "--cacert", str(trust.root)).code == UNTRUSTED


def test_plain_requests_are_sent_on_to_https(scene, sandbox):
    host, port = addresses.find(sandbox.client, "istio-ingressgateway", "istio-system", port=80, is_ingress=True)
    answer = edge.Outside(host, port).curl("shop.test", "/cart", scheme="http")
    assert (answer.status, answer.location.partition(":")[0]) == ("301", "https")


def test_a_new_certificate_in_the_secret_is_shown_without_a_restart(scene, kubectl, trust):
    restarts = "jsonpath={.items[*].metadata.uid} {.items[*].status.containerStatuses[*].restartCount}"
    pods = ("-n", "istio-system", "get", "pods", "-l", "app=istio-ingressgateway", "-o", restarts)
    before, renewed = kubectl(*pods), trust.issue("shop.test")
    edge.put_secret(kubectl, "edge-shop", renewed)
    waiting.until(
        lambda: scene.serial("shop.test") == edge.serial_of(renewed),
        what="the new certificate",
        timeout=60,
        next_step="kubectl -n istio-system get secret edge-shop",
    )
    assert kubectl(*pods) == before


# The Gateway API

LISTENERS = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: secure
  namespace: edge
  annotations: {networking.istio.io/service-type: NodePort}
spec:
  gatewayClassName: istio
  listeners:
  - name: https
    port: 443
    protocol: HTTPS
    hostname: api.test
    tls: {mode: Terminate, certificateRefs: [{name: api-cert}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: secure, namespace: edge}
spec:
  parentRefs: [{name: secure}]
  rules: [{backendRefs: [{name: httpbin, port: 8000}]}]
"""


def test_a_listener_of_the_gateway_api_shows_what_its_certificate_refs_name(scene, kubectl, sandbox, trust):
    files = trust.issue("api.test")
    source = (f"--cert={files.certificate}", f"--key={files.key}")
    kubectl("-n", "edge", "create", "secret", "tls", "api-cert", *source)
    kubectl("apply", "-f", "-", stdin=LISTENERS)
    kubectl("-n", "edge", "wait", "--for=condition=Programmed", "gateway/secure", "--timeout=60s")
    address = waiting.until(
        lambda: addresses.find(sandbox.client, "secure-istio", "edge", port=443, is_ingress=False),
        what="the gateway's address",
        timeout=30,
        next_step="kubectl -n edge get services",
    )
    outside = edge.Outside(*address)
    answer = waiting.until(
        lambda: outside.curl("api.test", "/status/200", "--cacert", str(trust.root)).status == "200",
        what="https://api.test",
        timeout=60,
        next_step="kubectl -n edge get gateway secure -o yaml",
    )
    assert answer
    assert outside.serial("api.test") == edge.serial_of(files)


# On the way out

BANK = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: bank, namespace: istio-system}
spec:
  hosts: [bank.test]
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: PORT}]
  resolution: STATIC
  location: MESH_EXTERNAL
  endpoints: [{address: ADDRESS}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: bank, namespace: istio-system}
spec:
  host: bank.test
  trafficPolicy:
    tls: {mode: MODE, credentialName: edge-bank, sni: bank.test, subjectAltNames: [bank.test]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: bank, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [bank.test]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: bank, namespace: istio-system}
spec:
  hosts: [bank.test]
  gateways: [bank]
  http: [{route: [{destination: {host: bank.test, port: {number: 80}}}]}]
"""
KINDS = "serviceentries,destinationrules,gateways.networking.istio.io,virtualservices"


@pytest.fixture(scope="module")
def bank(scene, trust) -> Iterator[tuple[str, int]]:
    """A server outside of the mesh that lets in who shows a certificate of its authority, and tells them their name."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            subject = dict(pair for (pair,) in self.connection.getpeercert()["subject"])
            body = subject["commonName"].encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    files = trust.issue("bank.test")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(trust.root))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(files.certificate, files.key)
    server = ThreadingHTTPServer(("127.0.0.9", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("mode", "signer", "status", "text"),
    [
        ("MUTUAL", "own", 200, "customer"),
        ("SIMPLE", "own", 503, ""),
        ("MUTUAL", "foreign", 503, ""),
    ],
    ids=["with the customer's certificate", "without one", "with a stranger's"],
)
def test_a_gateway_begins_tls_with_a_client_certificate(
    bank, kubectl, sandbox, trust, foreign, mode, signer, status, text
):
    files = {"own": trust, "foreign": foreign}[signer].issue("customer")
    edge.put_secret(kubectl, "edge-bank", files, trusted=trust)
    host, port = bank
    filled = BANK.replace("ADDRESS", host).replace("PORT", str(port)).replace("MODE", mode)
    kubectl("apply", "-f", "-", stdin=filled)
    try:
        answer = waiting.until(
            lambda: (seen := asked(sandbox, "bank.test")).status == status and seen,
            what=f"{status} from bank.test",
            timeout=60,
            next_step="kubectl -n istio-system get destinationrules -o yaml",
            show=lambda _: str(asked(sandbox, "bank.test")),
        )
        assert answer.text == text or not text
    finally:
        kubectl("-n", "istio-system", "delete", KINDS, "bank", "--ignore-not-found")


def asked(sandbox, host: str) -> fetching.Answer:
    address = gateway.url(sandbox.client)
    return fetching.fetch(address, "/", headers={"Host": host})


# The same by a sidecar

CUSTOMER = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: customer, namespace: edge}
spec:
  selector: {matchLabels: {app: customer}}
  template:
    metadata:
      labels: {app: customer}
      annotations:
        sidecar.istio.io/userVolume: '[{"name": "bank", "secret": {"secretName": "bank-client"}}]'
        sidecar.istio.io/userVolumeMount: '[{"name": "bank", "mountPath": "/etc/bank", "readOnly": true}]'
    spec:
      serviceAccountName: customer
      containers: [{name: client, image: curlimages/curl, command: [sleep, infinity]}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: passer-by, namespace: edge}
spec:
  selector: {matchLabels: {app: passer-by}}
  template:
    metadata: {labels: {app: passer-by}}
    spec: {containers: [{name: client, image: curlimages/curl, command: [sleep, infinity]}]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: customer, namespace: edge}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: credentials, namespace: edge}
rules: [{apiGroups: [""], resources: [secrets], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: credentials, namespace: edge}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: credentials}
subjects: [{kind: ServiceAccount, name: customer, namespace: edge}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: bank, namespace: edge}
spec:
  hosts: [bank.test]
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: PORT}]
  resolution: STATIC
  location: MESH_EXTERNAL
  exportTo: ["."]
  endpoints: [{address: ADDRESS}]
"""
RULE = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: bank, namespace: edge}
spec:
  host: bank.test
  exportTo: ["."]
"""
NOWHERE = "clientCertificate: /a, privateKey: /b, caCertificates: /c"
MOUNTED = "clientCertificate: /etc/bank/tls.crt, privateKey: /etc/bank/tls.key, caCertificates: /etc/bank/ca.crt"
BY_SECRET = "  trafficPolicy: {tls: {mode: MUTUAL, sni: bank.test, credentialName: bank-client}}"
BY_SIDECAR = {
    "files that the proxy mounts": (
        "customer",
        f"  trafficPolicy: {{tls: {{mode: MUTUAL, sni: bank.test, {MOUNTED}}}}}",
        "customer",
    ),
    "a Secret, by a rule for the workload": (
        "customer",
        f"  workloadSelector: {{matchLabels: {{app: customer}}}}\n{BY_SECRET}",
        "customer",
    ),
    "a Secret, and an account that may not list Secrets": (
        "passer-by",
        f"  workloadSelector: {{matchLabels: {{app: passer-by}}}}\n{BY_SECRET}",
        "",
    ),
    "files that nobody mounts": (
        "customer",
        f"  trafficPolicy: {{tls: {{mode: MUTUAL, sni: bank.test, {NOWHERE}}}}}",
        "",
    ),
}


@pytest.mark.parametrize(("client", "tls", "text"), BY_SIDECAR.values(), ids=BY_SIDECAR)
def test_a_sidecar_begins_tls_with_a_client_certificate(bank, kubectl, trust, client, tls, text):
    host, port = bank
    edge.put_secret(kubectl, "bank-client", trust.issue("customer"), trusted=trust, namespace="edge")
    kubectl("apply", "-f", "-", stdin=CUSTOMER.replace("ADDRESS", host).replace("PORT", str(port)))
    kubectl("apply", "-f", "-", stdin=RULE + tls)
    kubectl("-n", "edge", "rollout", "status", f"deployment/{client}", "--timeout=60s")
    # No name leads there; the request's own host does.
    there = ("-H", "Host: bank.test", "http://10.96.0.99/")
    words = ("-n", "edge", "exec", f"deploy/{client}", "--", "curl", "-s", *there)
    try:
        waiting.until(
            lambda: (
                (seen := kubectl.printed(*words)) == text or (not text and seen.startswith("upstream connect error"))
            ),
            what="the bank's answer",
            timeout=60,
            next_step="kubectl -n edge get destinationrule bank -o yaml",
            show=lambda _: kubectl.printed(*words),
        )
    finally:
        kubectl("-n", "edge", "delete", "destinationrule", "bank")


def test_istiod_logs_whose_account_may_not_read_which_secret(bank, kubectl):
    log = kubectl("-n", "istio-system", "logs", "deploy/istiod", "--tail=-1")
    assert "attempted to access unauthorized certificates bank-client: default/edge is not authorized to read" in log
