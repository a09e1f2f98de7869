"""The intermediate form validates itself: a record that no Envoy could have is not made."""

import math

import pytest

from labkit.mesh import blame, ir
from labkit.mesh.ir.bounds import InvalidError

TO = ir.Destination(upstream="outbound|9080||reviews.default.svc.cluster.local")
INVALID = {
    "a negative timeout": (lambda: ir.Forward(destinations=(TO,), timeout=-1.0), "Forward.timeout"),
    "a timeout that is no number": (lambda: ir.Forward(destinations=(TO,), timeout=math.nan), "Forward.timeout"),
    "a route to nowhere": (lambda: ir.Forward(destinations=()), "Forward.destinations"),
    "a negative delay": (lambda: ir.Fault(delay=-0.5), "Fault.delay"),
    "a negative share": (lambda: ir.Share(percent=-1.0), "Share.percent"),
    "a redirect to no port": (lambda: ir.Redirect(port=70000), "Redirect.port"),
    "a host without a domain": (lambda: ir.VirtualHost(name="a:80", domains=(), routes=()), "VirtualHost.domains"),
    "a table without a name": (lambda: ir.RouteTable(name="", hosts=()), "RouteTable.name"),
    "a listener at no port": (lambda: ir.Listener(name="a", port=-1, side=ir.OUTBOUND, chains=()), "Listener.port"),
    "a negative connect timeout": (lambda: ir.ConnectionPool(connect_timeout=-1.0), "ConnectionPool.connect_timeout"),
}


@pytest.mark.parametrize("case", INVALID)
def test_a_record_says_which_field_is_out_of_bounds(case):
    make, field = INVALID[case]
    with pytest.raises(InvalidError, match=field):
        make()


def test_the_object_that_asked_for_it_is_named():
    sentence = r"VirtualService reviews.*Forward.timeout must be 0 or more"
    with pytest.raises(blame.TranslationError, match=sentence), blame.naming("VirtualService reviews"):
        ir.Forward(destinations=(TO,), timeout=-1.0)
