"""The mesh's certificates."""

import asyncio
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from labkit.mesh import model
from labkit.sandbox.apiserver.server import Server
from labkit.sandbox.istiod import authority, identities, messages, trust

ROOT = authority.Authority.new()


def certificate(chain: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(chain.encode())


def proxy(account: str) -> model.Proxy:
    return model.Proxy(name="web", namespace="shop", role="sidecar", ip="127.0.0.1", service_account=account)


def test_a_workload_is_named_by_its_service_account_alone() -> None:
    found = certificate(ROOT.workload("shop", "cart").chain)
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://cluster.local/ns/shop/sa/cart"]


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


def test_a_proxy_gets_its_certificate_and_the_root_and_keeps_them() -> None:
    made = identities.Identities(ROOT)
    first, second = made.secrets(proxy("cart")), made.secrets(proxy("cart"))
    assert set(first) == {"default", "ROOTCA"}
    assert first == second
    assert made.secrets(proxy("till"))["default"] != first["default"]
    secret = messages.message_class(messages.TYPES["secrets"]).FromString(first["ROOTCA"])
    assert secret.validation_context.trusted_ca.inline_string == ROOT.root


def test_a_new_istiod_signs_with_the_root_of_the_old_one(tmp_path: Path) -> None:
    async def scene() -> None:
        server = Server(state=tmp_path / "state", kubeconfig=tmp_path / "kubeconfig")
        await server.start()
        try:
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system"}}
            await server.local.create(trust.resources.NAMESPACES, namespace)
            first = await trust.root(server.local, "istio-system")
            second = await trust.root(server.local, "istio-system")
            assert first.root == second.root
        finally:
            await server.stop()

    asyncio.run(scene())
