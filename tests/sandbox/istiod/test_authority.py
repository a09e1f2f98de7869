"""The mesh's certificates: who signs them, for whom, and for how long."""

import asyncio
import base64
import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from labkit.mesh import model
from labkit.sandbox import certificates
from labkit.sandbox.apiserver.server import Server
from labkit.sandbox.istiod import authentication, authority, identities, messages, trust

ROOT = authority.Authority.new()
START = datetime.datetime.now(datetime.UTC)
DAY, MINUTE = 86400.0, 60.0


def certificate(chain: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(chain.encode())


def proxy(account: str, *, name: str = "web", seconds: float = 0.0) -> model.Proxy:
    return model.Proxy(
        name=name,
        namespace="shop",
        role="sidecar",
        ip="127.0.0.1",
        service_account=account,
        certificate_seconds=seconds,
    )


def own(secrets) -> x509.Certificate:
    """The certificate in what a proxy is sent."""
    secret = messages.message_class(messages.TYPES["secrets"]).FromString(secrets["default"])
    return certificate(secret.tls_certificate.certificate_chain.inline_bytes.decode())


def uri(found: x509.Certificate) -> str:
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    (name,) = names.get_values_for_type(x509.UniformResourceIdentifier)
    return name


class Clock:
    """A time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = datetime.datetime.now(datetime.UTC)

    def __call__(self) -> datetime.datetime:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += datetime.timedelta(seconds=seconds)


# Whom a certificate is for


def test_a_workload_is_named_by_its_service_account_alone() -> None:
    assert uri(certificate(ROOT.workload("shop", "cart").chain)) == "spiffe://cluster.local/ns/shop/sa/cart"


def test_a_mesh_with_another_trust_domain_has_it_in_every_name() -> None:
    secrets = identities.Identities(ROOT).secrets(proxy("cart"), "example.org")
    assert uri(own(secrets)) == "spiffe://example.org/ns/shop/sa/cart"


def test_a_workload_certificate_lives_a_day_and_is_signed_by_the_root() -> None:
    found = certificate(ROOT.workload("shop", "cart").chain)
    assert (found.not_valid_after_utc - found.not_valid_before_utc).days == 1
    found.verify_directly_issued_by(certificate(ROOT.root))


def test_a_root_that_was_kept_signs_as_before() -> None:
    again = authority.Authority.from_secret(ROOT.as_secret("istio-system"))
    assert again.root == ROOT.root
    certificate(again.workload("shop", "cart").chain).verify_directly_issued_by(certificate(ROOT.root))


def test_every_leaf_has_a_key_of_its_own() -> None:
    first, second = ROOT.workload("shop", "cart"), ROOT.workload("shop", "cart")
    assert first.key != second.key
    assert isinstance(certificate(first.chain).public_key(), ec.EllipticCurvePublicKey)


def test_two_proxies_of_one_service_account_have_one_name_and_two_keys() -> None:
    mesh = identities.Identities(ROOT)
    first, second = (own(mesh.secrets(proxy("cart", name=name))) for name in ("web-1", "web-2"))
    assert uri(first) == uri(second)
    assert first.public_key() != second.public_key()


def test_a_proxy_gets_its_certificate_and_the_root_and_keeps_them() -> None:
    mesh = identities.Identities(ROOT)
    first, second = mesh.secrets(proxy("cart")), mesh.secrets(proxy("cart"))
    assert set(first) == {"default", "ROOTCA"}
    assert first == second
    secret = messages.message_class(messages.TYPES["secrets"]).FromString(first["ROOTCA"])
    assert secret.validation_context.trusted_ca.inline_bytes.decode() == ROOT.root


def test_a_pod_made_again_under_another_service_account_gets_that_ones_name() -> None:
    mesh = identities.Identities(ROOT)
    assert uri(own(mesh.secrets(proxy("cart")))) != uri(own(mesh.secrets(proxy("till"))))


# For how long

LIVES = {
    "nothing is asked for": ({}, 0.0, DAY),
    "a proxy asks for a minute": ({}, MINUTE, MINUTE),
    "istiod's default is an hour": ({"DEFAULT_WORKLOAD_CERT_TTL": "1h"}, 0.0, 3600.0),
    "the proxy's word counts more than the default": ({"DEFAULT_WORKLOAD_CERT_TTL": "1h"}, MINUTE, MINUTE),
    "as long as is allowed": ({"MAX_WORKLOAD_CERT_TTL": "48h"}, 2 * DAY, 2 * DAY),
}


@pytest.mark.parametrize(("env", "asked", "life"), LIVES.values(), ids=LIVES)
def test_the_life_of_a_certificate(env, asked, life):
    assert authority.Lifetimes.from_env(env).of(asked).total_seconds() == life


def test_a_life_beyond_the_longest_is_refused_and_the_proxy_gets_no_certificate(caplog):
    mesh = identities.Identities(ROOT, authority.Lifetimes.from_env({"MAX_WORKLOAD_CERT_TTL": "1h"}))
    for _ in range(3):
        assert set(mesh.secrets(proxy("cart", seconds=DAY))) == {"ROOTCA"}
    (line,) = [record.message for record in caplog.records]
    assert "shop/web gets no certificate: requested TTL 1 day" in line


@pytest.mark.parametrize(
    ("env", "seconds"),
    [([], DAY), ([{"name": "SECRET_TTL", "value": "1m"}], MINUTE), ([{"name": "SECRET_TTL", "value": "0s"}], 0.0)],
    ids=["by default", "by its variable", "left to istiod"],
)
def test_what_a_pod_asks_for(env, seconds):
    pod = {"spec": {"containers": [{"name": "app"}, {"name": "istio-proxy", "env": env}]}}
    assert authentication._certificate_seconds(pod) == seconds


def test_a_certificate_is_renewed_at_half_its_life_and_not_before():
    clock = Clock()
    mesh = identities.Identities(ROOT, clock=clock)
    first = own(mesh.secrets(proxy("cart", seconds=MINUTE)))
    clock.passes(29)
    assert (mesh.due(), own(mesh.secrets(proxy("cart", seconds=MINUTE)))) == (set(), first)
    assert 0 < mesh.seconds_to_renewal() <= 1
    clock.passes(2)
    assert mesh.due() == {("shop", "web")}
    assert own(mesh.secrets(proxy("cart", seconds=MINUTE))).serial_number != first.serial_number
    assert mesh.due() == set()


def test_a_proxy_that_left_has_nothing_to_renew():
    clock = Clock()
    mesh = identities.Identities(ROOT, clock=clock)
    mesh.secrets(proxy("cart"))
    mesh.keep([])
    clock.passes(DAY)
    assert (mesh.due(), mesh.seconds_to_renewal()) == (set(), None)


# Who signs


def plugged(*, key="ec", **files):
    """A Secret ``cacerts`` with a root, an intermediate and its chain; ``files`` replaces some of them."""
    root = certificates.authority(name("root"), life=datetime.timedelta(days=10))
    private = ec.generate_private_key(ec.SECP256R1()) if key == "ec" else rsa.generate_private_key(65537, 2048)
    intermediate = signed(private, "intermediate", root)
    data = {
        "ca-cert.pem": pem(intermediate),
        "ca-key.pem": certificates.key_pem(private),
        "cert-chain.pem": pem(intermediate) + root.certificate_pem,
        "root-cert.pem": root.certificate_pem,
        **files,
    }
    encoded = {file: base64.b64encode(content).decode() for file, content in data.items() if content is not None}
    return {"metadata": {"name": "cacerts", "namespace": "istio-system"}, "data": encoded}


def name(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def pem(found):
    return found.public_bytes(serialization.Encoding.PEM)


def signed(key, subject, issuer, *, ca=True, start=START):
    """A certificate by hand: an authority under another one."""
    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - datetime.timedelta(days=1))
        .not_valid_after(start + datetime.timedelta(days=5))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(issuer.key, hashes.SHA256())
    )


@pytest.mark.parametrize("key", ["ec", "rsa"])
def test_a_plugged_in_authority_signs_and_every_leaf_brings_its_chain(key):
    secret = plugged(key=key)
    mesh = authority.Authority.from_secret(secret)
    leaf, intermediate, root = x509.load_pem_x509_certificates(mesh.workload("shop", "cart").chain.encode())
    leaf.verify_directly_issued_by(intermediate)
    intermediate.verify_directly_issued_by(root)
    assert mesh.root.encode() == base64.b64decode(secret["data"]["root-cert.pem"])


def test_a_leaf_does_not_outlive_the_authority_that_signs_it():
    mesh = authority.Authority.from_secret(plugged())
    leaf = certificate(mesh.workload("shop", "cart", life=datetime.timedelta(days=80)).chain)
    assert leaf.not_valid_after_utc <= START + datetime.timedelta(days=5)


OTHER = certificates.authority(name("other"), life=datetime.timedelta(days=1))
SMALL = ec.generate_private_key(ec.SECP256R1())
BROKEN = {
    "a file is missing": ({"cert-chain.pem": None}, "Secret cacerts has no cert-chain.pem"),
    "a file is empty": ({"root-cert.pem": b" \n"}, "Secret cacerts has no root-cert.pem"),
    "another one's key": ({"ca-key.pem": OTHER.key_pem}, "ca-cert.pem and ca-key.pem of Secret cacerts do not fit"),
    "no key at all": ({"ca-key.pem": b"secret"}, "ca-cert.pem and ca-key.pem of Secret cacerts do not fit"),
    "another root": ({"root-cert.pem": OTHER.certificate_pem}, "is not signed by root-cert.pem"),
    "a root in no form": ({"root-cert.pem": b"root"}, "root-cert.pem of Secret cacerts holds no certificate in PEM"),
    "a leaf instead of an authority": (
        {"ca-cert.pem": pem(signed(SMALL, "leaf", OTHER, ca=False)), "ca-key.pem": certificates.key_pem(SMALL)},
        "is not the certificate of an authority",
    ),
    "an authority of the past": (
        {
            "ca-cert.pem": pem(signed(SMALL, "old", OTHER, start=START - datetime.timedelta(days=90))),
            "ca-key.pem": certificates.key_pem(SMALL),
        },
        "is not valid now",
    ),
}


@pytest.mark.parametrize(("files", "problem"), BROKEN.values(), ids=BROKEN)
def test_a_plugged_in_authority_that_does_not_fit_is_refused_by_its_file(files, problem):
    with pytest.raises(ValueError, match=problem):
        authority.Authority.from_secret(plugged(**files))


def test_another_intermediate_of_the_same_root_signs_from_the_next_renewal_on():
    first, second = of_one_root("first", "second")
    current, clock = authority.Authority.from_secret(first), Clock()
    mesh = identities.Identities(current, clock=clock)
    before = own(mesh.secrets(proxy("cart", seconds=MINUTE)))
    new = trust.replaced(current, second)
    assert new is not None
    mesh.sign_by(new)
    assert own(mesh.secrets(proxy("cart", seconds=MINUTE))) == before
    clock.passes(31)
    assert own(mesh.secrets(proxy("cart", seconds=MINUTE))).issuer == name("second")


def of_one_root(*subjects):
    """A Secret ``cacerts`` for each intermediate, all of one root."""
    root = certificates.authority(name("root"), life=datetime.timedelta(days=10))
    secrets = []
    for subject in subjects:
        private = ec.generate_private_key(ec.SECP256R1())
        intermediate = signed(private, subject, root)
        secrets.append(
            plugged(
                **{
                    "ca-cert.pem": pem(intermediate),
                    "ca-key.pem": certificates.key_pem(private),
                    "cert-chain.pem": pem(intermediate) + root.certificate_pem,
                    "root-cert.pem": root.certificate_pem,
                }
            )
        )
    return secrets


STAYS = {
    "the same": (lambda secret: secret, ""),
    "another root": (lambda _: plugged(), "has another root"),
    "a broken one": (lambda _: plugged(**{"ca-key.pem": b"no"}), "do not fit together"),
}


@pytest.mark.parametrize(("changed", "line"), STAYS.values(), ids=STAYS)
def test_a_running_istiod_keeps_its_authority(changed, line, caplog):
    secret = plugged()
    assert trust.replaced(authority.Authority.from_secret(secret), changed(secret)) is None
    assert [line in record.message for record in caplog.records] == ([True] if line else [])


def served(tmp_path: Path, scene) -> None:
    """A scene on an API server with istiod's namespace."""

    async def run() -> None:
        server = Server(state=tmp_path / "state", kubeconfig=tmp_path / "kubeconfig")
        await server.start()
        try:
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system"}}
            await server.local.create(trust.resources.NAMESPACES, namespace)
            await scene(server.local)
        finally:
            await server.stop()

    asyncio.run(run())


def test_a_new_istiod_signs_with_the_root_of_the_old_one(tmp_path: Path) -> None:
    async def scene(client) -> None:
        first, second = [await trust.root(client, "istio-system") for _ in range(2)]
        assert first.root == second.root

    served(tmp_path, scene)


def test_a_new_istiod_signs_with_what_was_plugged_in(tmp_path: Path) -> None:
    async def scene(client) -> None:
        own = await trust.root(client, "istio-system")
        secret = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", **plugged()}
        await client.create(trust.resources.SECRETS, secret)
        restarted = await trust.root(client, "istio-system")
        assert restarted.root.encode() == base64.b64decode(secret["data"]["root-cert.pem"])
        assert restarted.root != own.root

    served(tmp_path, scene)
