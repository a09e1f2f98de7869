"""The cluster's DNS over UDP, asked as a program asks it."""

import asyncio
import socket
from typing import Any

import dnslib
import pytest

from labkit.sandbox.network import dns

IP = "127.0.0.1"


class Cluster:
    def service_object(self, namespace: str, name: str) -> Any:
        return {"spec": {"clusterIP": "10.96.0.7"}} if (namespace, name) == ("shop", "api") else None

    def slices_of(self, namespace: str, name: str) -> Any:
        return ()

    def entry(self, host: str) -> Any:
        return None


def ask(name: str, kind: str = "A", **server: Any) -> dnslib.DNSRecord:
    async def main() -> dnslib.DNSRecord:
        transport = await dns.serve(dns.Server(Cluster(), **server), IP, 0)
        assert transport is not None
        port = transport.get_extra_info("sockname")[1]
        question = dnslib.DNSRecord.question(name, kind)
        try:
            return dnslib.DNSRecord.parse(await asyncio.to_thread(question.send, IP, port, timeout=5))
        finally:
            transport.close()

    return asyncio.run(main())


@pytest.mark.parametrize("name", ["api.shop.svc.cluster.local", "API.shop.svc.cluster.local."])
def test_a_service_has_its_cluster_ip(name: str) -> None:
    assert [str(r.rdata) for r in ask(name).rr] == ["10.96.0.7"]


def test_an_envoy_is_told_an_address_that_connects() -> None:
    reply = ask("api.shop.svc.cluster.local", translate=lambda address: address.replace("10.96", "127.68"))
    assert [str(r.rdata) for r in reply.rr] == ["127.68.0.7"]


def test_a_name_that_nobody_has_is_said_not_to_be() -> None:
    assert ask("nosuch.shop.svc.cluster.local").header.rcode == dnslib.RCODE.NXDOMAIN


def test_a_name_without_an_address_of_that_family_is_no_error() -> None:
    reply = ask("api.shop.svc.cluster.local", "AAAA")
    assert (reply.header.rcode, reply.rr) == (dnslib.RCODE.NOERROR, [])


def test_what_is_no_question_is_passed_over() -> None:
    async def main() -> bytes:
        transport = await dns.serve(dns.Server(Cluster()), IP, 0)
        assert transport is not None

        def talk() -> bytes:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
                link.settimeout(5)
                link.connect(transport.get_extra_info("sockname"))
                link.send(b"nonsense")
                link.send(dnslib.DNSRecord.question("api.shop.svc.cluster.local").pack())
                return link.recv(4096)

        try:
            return await asyncio.to_thread(talk)
        finally:
            transport.close()

    assert dnslib.DNSRecord.parse(asyncio.run(main())).rr
