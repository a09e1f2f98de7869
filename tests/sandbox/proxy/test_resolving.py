"""How a proxy finds istiod: by the cluster's DNS, and the sandbox's own answers are the judge."""

import asyncio

import dnslib
import pytest

from labkit.sandbox.network import dns
from labkit.sandbox.proxy import agent, resolving

NAME = "istiod.istio-system.svc.cluster.local"


class Directory(dns.Server):
    """A server that knows these addresses."""

    def __init__(self, *addresses):
        super().__init__(directory=None)
        self._known = addresses

    async def addresses(self, name):
        return self._known if name == NAME else ()


@pytest.mark.parametrize("addresses", [(), ("127.68.1.2",), ("127.68.1.2", "127.68.9.9")], ids=["none", "one", "two"])
def test_the_first_address_of_an_answer_is_taken(addresses):
    asked = dnslib.DNSRecord.parse(resolving.question(NAME))
    assert str(asked.q.qname).rstrip(".") == NAME
    answer = asyncio.run(Directory(*addresses).reply(asked))
    assert resolving.address(answer) == (addresses[0] if addresses else "")


def test_an_answer_that_is_cut_off_is_none():
    assert resolving.address(b"\0\1") == ""


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("", NAME),
        ("istiod-canary.istio-system.svc:15012", "istiod-canary.istio-system.svc.cluster.local"),
        ("istiod.example.com:15012", "istiod.example.com"),
    ],
)
def test_a_proxy_asks_for_the_istiod_of_its_revision(address, host):
    assert agent.istiod_host({"CA_ADDR": address}) == host
