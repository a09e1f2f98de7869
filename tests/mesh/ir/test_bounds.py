"""The intermediate form validates itself: a record that no Envoy could have is not made."""

import math

import pytest

from labkit.mesh import blame, ir
from labkit.mesh.ir.bounds import InvalidError

TO = ir.Destination(upstream="outbound|9080||reviews.default.svc.cluster.local")
COLLECTOR = ir.Collector(kind="zipkin", cluster="outbound|9411||zipkin", host="zipkin")


def authorizer(**fields):
    return ir.Authorizer(**{"name": "a", "upstream": "b", "host": "b", "is_grpc": True, "timeout": 1.0} | fields)


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
    "a question that nobody can answer": (lambda: ir.Test(asks="mood", texts=()), "Test.asks"),
    "a question about no header": (lambda: ir.Test(asks="header", texts=()), "Test.keys"),
    "an action that decides nothing": (lambda: ir.Rules(action="AUDIT"), "Rules.action"),
    "a collector without an upstream": (ir.Log, "Log.collector"),
    "a tag of no kind": (lambda: ir.SpanTag(name="team", kind="", value="a"), "SpanTag.kind"),
    "more spans than requests": (lambda: ir.Tracing(collector=COLLECTOR, percent=150.0), "Tracing.percent"),
    "tokens of nobody": (lambda: ir.Tokens(issuers=()), "Tokens.issuers"),
    "an issuer without a name": (lambda: ir.Issuer(issuer="", keys="{}"), "Issuer.issuer"),
    "an authorizer that is never asked": (lambda: authorizer(timeout=-1.0), "Authorizer.timeout"),
    "an authorizer with no status": (lambda: authorizer(error_status=42), "Authorizer.error_status"),
    "a version of TLS that there is not": (
        lambda: ir.EdgeTls(is_http=True, certificates=("a",), least_version="2.0"),
        "EdgeTls.least_version",
    ),
    "certificates of nobody's": (lambda: ir.Tls(kind="letter"), "Tls.kind"),
    "a negative weight": (lambda: ir.Destination(upstream="a", weight=-1), "Destination.weight"),
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
