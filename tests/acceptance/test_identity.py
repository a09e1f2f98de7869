"""Who is let into a workload that is STRICT, how its certificate changes under load, and where keys never are."""

import base64
import contextlib
import datetime
import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from labkit import traffic
from labkit.base import private, waiting
from labkit.install import gateway
from labkit.kube import resources
from labkit.sandbox import certificates
from labkit.telemetry import certificates as held

pytestmark = pytest.mark.sandbox

SCENE = Path(__file__).with_name("identity.yaml")
DAY, PAST = datetime.timedelta(days=1), datetime.timedelta(minutes=-1)
MESH = "spiffe://cluster.local/ns/ident/sa/neighbour"


@pytest.fixture(scope="module")
def vault(kubectl, sandbox) -> Iterator[tuple[str, int]]:
    """The pod's address and port, its sidecar STRICT."""
    kubectl("apply", "-f", str(SCENE))
    kubectl("-n", "ident", "wait", "--for=condition=Available", "deployment", "--all", "--timeout=60s")
    waiting.until(
        lambda: answers(sandbox, 1)[0].status == 200,
        what="vault.test at the gateway",
        timeout=60,
        next_step="kubectl -n ident get pods",
    )
    yield pod_of(sandbox)["status"]["podIP"], 8080
    kubectl("delete", "namespace", "ident", "--wait=false")


def pod_of(sandbox):
    (pod,) = sandbox.client.list(resources.PODS, "ident", labels="app=vault")
    return pod


def load(sandbox, **options) -> traffic.Load:
    url = gateway.url(sandbox.client)
    return traffic.Load(url=url, path="/status/200", headers={"Host": "vault.test"}, **options)


def answers(sandbox, count):
    return traffic.collect(load(sandbox, count=count))


def authority(sandbox) -> certificates.Issued:
    """The mesh's own, as whoever can read the Secret has it."""
    data = sandbox.client.get(resources.SECRETS, "istio-ca-secret", "istio-system")["data"]
    return certificates.load(*(base64.b64decode(data[name]) for name in ("ca-cert.pem", "ca-key.pem")))


def foreign() -> certificates.Issued:
    """Another one that calls itself as the mesh's does."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "cluster.local")])
    return certificates.authority(name, life=DAY)


CALLERS = {
    "a certificate of the mesh": ("mesh", MESH, DAY, True),
    "one that has ended": ("mesh", MESH, PAST, False),
    "one of another trust domain": ("mesh", MESH.replace("cluster.local", "evil.example"), DAY, False),
    "a foreign one": ("foreign", MESH, DAY, False),
    "none": ("", "", DAY, False),
}


@pytest.mark.parametrize(("signer", "name", "life", "is_let_in"), CALLERS.values(), ids=CALLERS)
def test_who_is_let_in_where_mutual_tls_is_asked_for(vault, sandbox, tmp_path, signer, name, life, is_let_in):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if signer:
        issuer = authority(sandbox) if signer == "mesh" else foreign()
        leaf = certificates.leaf(
            issuer, [x509.UniformResourceIdentifier(name)], life=life, purposes=[certificates.CLIENT]
        )
        private.write(tmp_path / "client.pem", leaf.key_pem + leaf.certificate_pem)
        context.load_cert_chain(tmp_path / "client.pem")
    with contextlib.closing(http.client.HTTPSConnection(*vault, context=context, timeout=60)) as link:
        if is_let_in:
            assert headers_at(link)["X-Forwarded-Client-Cert"][0].endswith(f"URI={name}")
        else:
            with pytest.raises((ssl.SSLError, ConnectionResetError)):
                headers_at(link)


def headers_at(link: http.client.HTTPConnection):
    """The headers that the application saw."""
    link.request("GET", "/headers")
    return json.loads(link.getresponse().read())["headers"]


def test_plain_text_is_closed_before_anybody_reads_it(vault):
    link = http.client.HTTPConnection(*vault, timeout=60)
    with contextlib.closing(link), pytest.raises(ConnectionResetError):
        headers_at(link)


ROTATIONS = 5


def test_certificates_change_under_load_and_no_request_notices(vault, sandbox, kubectl):
    """Two hundred of them under 200 requests a second: ``./lab bench rotations``."""
    seen: list[str] = []
    results: list[traffic.Sent] = []
    stream = traffic.stream(load(sandbox, rate=50), results.extend)

    def rotations() -> int:
        serial = dump(kubectl, sandbox).own.serial
        seen.extend([serial] if serial not in seen else [])
        return len(seen) - 1

    try:
        waiting.until(
            lambda: rotations() >= ROTATIONS,
            what=f"{ROTATIONS} rotations",
            timeout=60,
            next_step="kubectl -n istio-system logs deploy/istiod",
            show=lambda _: f"{len(seen) - 1} rotations",
        )
    finally:
        stream.stop()
    assert {result.status for result in results} == {200}


def dump(kubectl, sandbox) -> held.Held:
    name = resources.name_of(pod_of(sandbox))
    words = ("-n", "ident", "exec", name, "-c", "istio-proxy", "--", "pilot-agent", "request", "GET", held.ASK)
    (own,) = held.held({name: kubectl(*words)})
    return own


# Where keys and tokens never are

KEY = "PRIVATE KEY"


@pytest.fixture(scope="module")
def tokens(vault, sandbox, kubectl) -> list[str]:
    """Words that nobody may read in passing: the admin's token, and one of a service account."""
    config = kubectl("config", "view", "--raw", "-o", "jsonpath={.users[*].user.token}")
    return [config, kubectl("-n", "ident", "create", "token", "vault").strip()]


def test_no_dump_of_an_envoy_holds_a_key(vault, sandbox, kubectl):
    name = resources.name_of(pod_of(sandbox))
    words = ("-n", "ident", "exec", name, "-c", "istio-proxy", "--", "pilot-agent", "request", "GET", "config_dump")
    text = kubectl(*words)
    redacted = base64.b64encode(b"[redacted]").decode()
    keys = [e["secret"]["tls_certificate"]["private_key"] for e in secrets_in(text) if "tls_certificate" in e["secret"]]
    assert keys and all(list(key.values()) in (["[redacted]"], [redacted]) for key in keys)
    assert KEY not in text and base64.b64encode(KEY.encode()).decode()[:12] not in text


def secrets_in(text):
    configs = json.loads(text)["configs"]
    return [e for c in configs if c["@type"].endswith("SecretsConfigDump") for e in c["dynamic_active_secrets"]]


def test_no_log_holds_a_key_or_a_token(vault, kubectl, tokens):
    words = "{range .items[*]}{.metadata.namespace} {.metadata.name}{'\\n'}{end}"
    pods = [line.split() for line in kubectl("get", "pods", "-A", "-o", f"jsonpath={words}").splitlines()]
    logs = [kubectl.printed("-n", space, "logs", pod, "--all-containers", "--tail=-1") for space, pod in pods]
    assert logs
    assert [word for word in (KEY, *tokens) for text in logs if word in text] == []


def test_no_command_line_holds_a_key_or_a_token(vault, tokens):
    lines = [read(path) for path in Path("/proc").glob("[0-9]*/cmdline")]
    assert [word for word in (KEY, *tokens) for line in lines if word in line] == []


def read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""  # it has ended, or is another user's


def test_no_file_of_a_lab_that_others_may_read_holds_a_key_or_a_token(vault, sandbox, tokens):
    open_to_others = [path for path in walk(sandbox.paths.home) if path.is_file() and path.stat().st_mode & 0o077]
    told = [path for path in open_to_others for word in (KEY, *tokens) if word in read(path)]
    assert told == []


def walk(folder: Path) -> Iterator[Path]:
    """What others can reach: nothing below a folder that is its owner's alone."""
    if folder.stat().st_mode & 0o077:
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                yield from walk(path)
            else:
                yield path


# What a service account may do

READER = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: ident}
rules: [{apiGroups: [""], resources: [pods], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: ident}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: vault, namespace: ident}]
"""
VAULT = "system:serviceaccount:ident:vault"


def test_a_service_account_may_do_nothing_until_a_role_says_so(vault, kubectl, tokens, tmp_path):
    mine = as_account(kubectl, tokens[1], tmp_path)
    assert kubectl.printed("auth", "can-i", "list", "pods", "-n", "ident", f"--as={VAULT}").strip() == "no"
    assert 'cannot list resource "pods"' in kubectl(*mine, "-n", "ident", "get", "pods", fails=True)
    kubectl("apply", "-f", "-", stdin=READER)
    assert kubectl.printed("auth", "can-i", "list", "pods", "-n", "ident", f"--as={VAULT}").strip() == "yes"
    assert "vault-" in kubectl(*mine, "-n", "ident", "get", "pods")
    for words in (["get", "secrets"], ["delete", "pods", "--all"], ["get", "pods", "-n", "default"]):
        assert "Forbidden" in kubectl(*mine, "-n", "ident", *words, fails=True)


@pytest.mark.parametrize(
    ("account", "words", "answer"),
    [
        ("ident:vault", "list secrets -n ident", "no"),
        ("default:bookinfo-reviews", "get pods -n default", "no"),
        ("istio-system:istiod", "list services -A", "yes"),
        ("istio-system:istiod", "delete namespaces", "no"),
        ("istio-system:istio-ingressgateway-service-account", "delete pods -n istio-system", "no"),
    ],
)
def test_what_may_be_done_with_the_tokens_of_a_mesh(vault, kubectl, account, words, answer):
    who = f"--as=system:serviceaccount:{account}"
    assert kubectl.printed("auth", "can-i", *words.split(), who).splitlines()[0] == answer


def as_account(kubectl, token: str, folder: Path) -> list[str]:
    """kubectl's words to speak as the holder of a token: in a file, so that it stands on no command line."""
    config = json.loads(kubectl("config", "view", "--raw", "-o", "json"))
    config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
    private.write(folder / "config", json.dumps(config).encode())
    return ["--kubeconfig", str(folder / "config")]
