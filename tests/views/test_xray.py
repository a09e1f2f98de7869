"""The X-ray of an object, drawn without a cluster."""

from labkit.views.xray import Row, XRay

YAML = """apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: <b>reviews</b>
spec:
  http:
  - timeout: 2s
    route:
    - destination:
        host: reviews
"""
TIMEOUT = Row(
    field="spec.http[0].timeout",
    value="2s",
    kind="virtual host",
    name="reviews:9080",
    path="routes[0].route.timeout",
    envoy="2s",
)
PROXIES = [
    {"proxy": "a.default", "cluster_sent": "3", "cluster_acked": "3", "cluster_bytes": 10, "cluster_ms": 1.5},
    {
        "proxy": "b.default",
        "cluster_sent": "3",
        "cluster_acked": "2",
        "refusals": {"listeners": "no"},
        "listener_sent": "4",
    },
]


def xray(*rows):
    return XRay(title="VirtualService default/reviews", proxy="productpage", yaml=YAML, rows=rows, proxies=PROXIES)


def test_a_field_stands_on_its_line():
    assert xray().line("spec.http[0].timeout") == 7
    assert xray().line("spec.http[0].route[0].destination.host") == 10


def test_a_link_has_both_ends():
    assert repr(xray(TIMEOUT)).endswith(
        "line 7, spec.http[0].timeout → virtual host reviews:9080: routes[0].route.timeout = 2s"
    )
    assert xray(TIMEOUT).table().loc[0, "line"] == 7


def test_both_columns_carry_the_same_number():
    assert xray(TIMEOUT)._repr_html_().count("●1") == 2


def test_text_of_objects_never_becomes_markup():
    assert "<b>reviews</b>" not in xray(TIMEOUT)._repr_html_()


def test_what_is_not_there_is_said():
    assert "nowhere" in repr(xray())
    assert "nothing of it" in xray()._repr_html_()


def test_each_proxy_has_its_state_by_type():
    states = {(row.proxy, row.type): row.state for row in xray().acks().itertuples()}
    assert states["a.default", "cluster"] == "ACK"
    assert states["b.default", "cluster"] == "waiting"
    assert states["b.default", "listener"] == "NACK"
    assert states["a.default", "route"] == "not sent"
