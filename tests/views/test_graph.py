"""The service graph as a view: never empty, boxes that stay where they are, a table that says the same."""

from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.telemetry import graph as telemetry
from labkit.telemetry.flows import Node
from labkit.views import graph, layers


def node(name: str, app: str = "") -> Node:
    return Node(name=f"default/{name}", app=app, pods=1, ready=1, has_proxy=True)


NODES = (node("productpage-v1", "productpage"), node("reviews-v1", "reviews"), node("reviews-v2", "reviews"))


def totals(**requests: int) -> dict[telemetry.Way, telemetry.Totals]:
    """Requests of productpage to each version, with those that failed in the form ``v1=(10, 2)``."""
    return {
        telemetry.Way("default/productpage-v1", f"default/reviews-{version}"): telemetry.Totals(
            requests=count, mutual=count
        )
        for version, count in requests.items()
    }


def view(*frames: dict[telemetry.Way, telemetry.Totals]) -> graph.GraphView:
    """A view that looks once for each frame, a second apart."""
    shown = graph.GraphView(lambda: graph.Reading(nodes=(), totals={}), every=None)
    for second, frame in enumerate(frames):
        shown.take(graph.Reading(nodes=NODES, totals=frame), now=10.0 + second)
    return shown


def test_before_traffic_it_draws_what_is_deployed_and_says_what_to_do() -> None:
    shown = view({})
    assert [n["name"] for n in shown.nodes] == [n.name for n in NODES]
    assert shown.message == graph.NO_TRAFFIC
    assert graph.NO_TRAFFIC.partition(".")[0] in shown.static_html()


def test_one_request_shows_at_the_next_look() -> None:
    (edge,) = view({}, totals(v1=1)).edges
    assert (edge["sent"], edge["rate"], edge["mutual"]) == (1, 1.0, True)


def test_versions_of_a_service_stand_together_behind_their_caller() -> None:
    places = {n["title"]: (n["column"], n["row"]) for n in view({}, totals(v1=1, v2=1)).nodes}
    assert places == {"productpage-v1": (1, 0), "reviews-v1": (2, 0), "reviews-v2": (2, 1)}


def test_the_table_says_what_the_picture_says() -> None:
    shown = view({}, totals(v1=5))
    assert shown.table().loc[0, ["from", "to", "requests", "mTLS"]].tolist() == [
        "default/productpage-v1",
        "default/reviews-v1",
        5,
        "yes",
    ]
    assert repr(shown) == "Graph(3 workloads, 1 ways in use, 0 failing)"


def test_a_chosen_way_shows_its_series() -> None:
    shown = view({}, totals(v1=1), totals(v1=3))
    shown.selected = "default/productpage-v1 default/reviews-v1"
    assert [point["rate"] for point in shown.series] == [1.0, 1.5]


def test_names_never_become_markup() -> None:
    shown = graph.GraphView(lambda: graph.Reading(nodes=(), totals={}), every=None)
    way = {telemetry.Way("default/<b>x</b>", "default/reviews-v1"): telemetry.Totals(requests=1)}
    shown.take(graph.Reading(nodes=NODES, totals={}), now=1.0)
    shown.take(graph.Reading(nodes=NODES, totals=way), now=2.0)
    assert "<b>" not in shown.static_html()
    assert "&lt;b&gt;x&lt;/b&gt;" in shown.static_html()


LETTERS = "abcdef"
CALLS = st.sets(st.tuples(st.sampled_from(LETTERS), st.sampled_from(LETTERS)), max_size=12)


@settings(max_examples=100, deadline=None)
@given(CALLS, CALLS)
def test_boxes_move_only_when_a_new_call_asks_for_it(before: set[tuple[str, str]], more: set[tuple[str, str]]) -> None:
    boxes = [layers.Box(name=letter, group=letter) for letter in LETTERS]
    first = layers.columns(boxes, before, {})
    assert layers.columns(boxes, before, first) == first
    later = layers.columns(boxes, before | more, first)
    rows = layers.rows(boxes, later, {})
    assert len({(later[letter], rows[letter]) for letter in LETTERS}) == len(LETTERS)


def test_boxes_go_beside_their_callers_where_lines_would_cross() -> None:
    boxes = [layers.Box(name=name, group=name) for name in ("a", "b", "x", "y")]
    column_of = {"a": 0, "b": 0, "x": 1, "y": 1}
    before = layers.rows(boxes, column_of, {})
    assert before == {"a": 0, "b": 1, "x": 0, "y": 1}
    crossed = {("a", "y"), ("b", "x")}
    after = layers.rows(boxes, column_of, before, crossed)
    assert after == {"a": 0, "b": 1, "x": 1, "y": 0}
    assert layers.rows(boxes, column_of, after, crossed | {("a", "x"), ("b", "y")}) == after
