"""A gateway's node port: the Envoys have it while one is there, and connections wait while none is."""

import asyncio
import contextlib
import errno
import socket

import pytest

from labkit.sandbox.network import routes, splice, standby

CONNECTIONS = 60


def envoy(address):
    """A listener as Envoy opens one: it shares its address."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(address)
    listener.listen(CONNECTIONS)
    listener.setblocking(False)
    return listener


def dealt(*listeners):
    """How many of a row of connections each listener was given."""
    address = listeners[0].getsockname()
    with contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS):
            stack.enter_context(socket.create_connection(address))
        return [accepted(listener) for listener in listeners]


def accepted(listener):
    number = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            number += 1
    return number


@pytest.fixture
def port():
    """The standby's own listener."""
    with standby.listen(("127.0.0.1", 0), backlog=CONNECTIONS) as listener:
        yield listener


def test_it_gets_connections_only_while_no_envoy_is_there(port):
    assert dealt(port) == [CONNECTIONS]
    for _ in range(2):
        with envoy(port.getsockname()) as first:
            assert dealt(port, first) == [0, CONNECTIONS]
        assert dealt(port) == [CONNECTIONS]


def test_several_envoys_share_what_comes(port):
    with envoy(port.getsockname()) as one, envoy(port.getsockname()) as other:
        standby.yield_to(port, 2)
        mine, *theirs = dealt(port, one, other)
        assert mine == 0
        assert min(theirs) > 0
        assert sum(theirs) == CONNECTIONS


def test_a_program_that_has_the_address_keeps_it(port):
    with pytest.raises(OSError, match=str(errno.EADDRINUSE)):
        standby.listen(port.getsockname(), backlog=1)


class Gateway:
    """A gateway that answers at the dial of this number."""

    def __init__(self, *, back_at, error=ConnectionRefusedError, is_coming=True):
        self.dials, self.back_at, self.error, self.coming = 0, back_at, error, is_coming

    async def dial(self):
        self.dials += 1
        if self.dials < self.back_at:
            raise self.error("not yet")
        return splice.Half()

    def is_coming(self):
        return self.coming


@pytest.mark.parametrize("error", [ConnectionRefusedError, routes.NoRouteError])
def test_a_connection_waits_for_a_gateway_on_its_way_back(error):
    gateway = Gateway(back_at=3, error=error)
    assert asyncio.run(standby.until_reached(gateway.dial, gateway.is_coming))
    assert gateway.dials == 3


def test_a_connection_is_refused_where_no_gateway_is_expected():
    gateway = Gateway(back_at=10_000, is_coming=False)
    with pytest.raises(ConnectionRefusedError):
        asyncio.run(standby.until_reached(gateway.dial, gateway.is_coming))


POD = {
    "metadata": {"name": "gateway", "namespace": "istio-system", "labels": {"istio": "ingressgateway"}},
    "spec": {"containers": [{"name": "istio-proxy", "args": ["proxy", "router"]}]},
    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]},
}
READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        (POD, True),
        (POD | {"status": READY}, False),
        (POD | {"status": {"phase": "Pending"}}, False),
        (POD | {"metadata": {**POD["metadata"], "deletionTimestamp": "2026-11-30T20:00:00Z"}}, False),
    ],
    ids=["restarts", "serves", "waits for a node", "leaves"],
)
def test_a_gateway_is_coming_while_it_runs_and_is_not_ready(pod, expected):
    assert standby.is_coming(pod) is expected


@pytest.mark.parametrize(
    ("namespace", "selector", "number"),
    [
        ("istio-system", {"istio": "ingressgateway"}, 1),
        ("default", {"istio": "ingressgateway"}, 0),
        ("istio-system", {"istio": "egressgateway"}, 0),
        ("istio-system", {}, 0),
    ],
    ids=["its own", "of another namespace", "other labels", "no selector"],
)
def test_the_gateways_of_a_service_are_those_it_selects(namespace, selector, number):
    service = {"metadata": {"name": "s", "namespace": namespace}, "spec": {"selector": selector}}
    assert len(standby.gateways(service, [POD])) == number
