"""What an Envoy dumps of its certificates, read."""

import base64
import datetime
import json

from labkit.sandbox.istiod import authority
from labkit.telemetry import certificates

ROOT = authority.Authority.new()
LEAF = ROOT.workload("shop", "cart", life=datetime.timedelta(minutes=1))
KEY = {"inline_bytes": base64.b64encode(b"[redacted]").decode()}


def dump(**secrets):
    configs = [{"name": name.replace("__", "://"), "secret": secret} for name, secret in secrets.items()]
    return json.dumps({"configs": configs})


def own(pem):
    return {"tls_certificate": {"certificate_chain": {"inline_string": pem}, "private_key": KEY}}


def trusted(pem):
    return {"validation_context": {"trusted_ca": {"inline_string": pem}}}


def test_a_proxy_is_read_with_its_chain_and_what_it_trusts():
    (held,) = certificates.held({"cart-1": dump(default=own(LEAF.chain), ROOTCA=trusted(ROOT.root))})
    assert (held.proxy, held.own.subject) == ("cart-1", "spiffe://cluster.local/ns/shop/sa/cart")
    assert [(c.subject, c.issuer) for c in held.roots] == [("O=cluster.local", "O=cluster.local")]
    assert held.life == datetime.timedelta(minutes=1)


def test_a_gateway_shows_a_certificate_for_each_host():
    (held,) = certificates.held({"gateway": dump(kubernetes__shop=own(ROOT.server("shop.test").chain))})
    assert (held.name, held.own.subject, held.roots) == ("kubernetes://shop", "shop.test", ())


def test_what_holds_no_certificate_is_left_out():
    assert certificates.held({"cart-1": "", "till-1": dump(default=own("not a certificate"))}) == []
