"""The mesh as a picture: nodes in columns, rates from counters."""

from dataclasses import replace

from labkit.telemetry.flows import Flow, Node
from labkit.views import meshmap


def node(name, app="", *, proxy=True):
    return Node(name=name, app=app, pods=1, ready=1, has_proxy=proxy)


PAGE, REVIEWS = node("productpage-v1", "productpage"), node("reviews-v1", "reviews")


def view(*counted, nodes=(PAGE, REVIEWS)):
    """A view that looks once for each pair of counters, a second apart."""
    created = meshmap.MeshView(lambda: ((), ()), every=None)
    for second, (sent, failed) in enumerate(counted):
        flow = Flow(source="productpage-v1", target="reviews-v1", sent=sent, failed=failed)
        created.take((nodes, [flow]), now=10.0 + second)
    return created


def test_a_rate_is_the_difference_of_two_looks():
    (edge,) = view((100, 0), (110, 2)).edges
    assert (edge["rate"], edge["failing"], edge["sent"], edge["failed"]) == (10.0, 2.0, 10, 2)


def test_a_line_says_how_its_requests_are_sent():
    flow = Flow(source="productpage-v1", target="reviews-v1", sent=5, failed=0, security="plain text")
    shown = meshmap.MeshView(lambda: ((), ()), every=None)
    for second, sent in enumerate((0, 5)):
        shown.take(((PAGE, REVIEWS), [replace(flow, sent=sent)]), now=10.0 + second)
    assert list(shown.table()["security"]) == ["plain text"]
    assert "plain text" in shown.static_html()


def test_what_was_sent_before_the_view_began_is_not_drawn():
    assert view((100, 0)).edges == []


def test_a_proxy_that_began_anew_counts_from_nothing():
    (edge,) = view((100, 0), (4, 0)).edges
    assert (edge["rate"], edge["sent"]) == (0.0, 4)


def test_known_applications_have_their_columns_and_others_follow_their_callers():
    edges = [{"source": "curl", "target": "billing.example"}]
    places = meshmap.placed([PAGE, node("curl", "curl")], edges)
    assert {n["name"]: n["column"] for n in places} == {"productpage-v1": 1, "curl": 0, "billing.example": 1}


def test_it_reads_as_its_state_and_has_a_static_form():
    shown = view((100, 0), (110, 0))
    assert repr(shown) == "Mesh(2 workloads, 2 with a proxy)"
    assert '<td style="text-align:left">10</td>' in shown.static_html()


def test_sending_stops_when_the_last_page_is_gone():
    stopped = []
    created = meshmap.MeshView(lambda: ((), ()), send=lambda _: lambda: stopped.append(1), load="10/s", every=None)
    created._on_message(created, {"alive": "a", "first": True}, [])
    created.start()
    created._on_message(created, {"gone": "a"}, [])
    assert stopped == [1] and not created.running
