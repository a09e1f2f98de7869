"""details, ratings and reviews: shapes, statuses and faults."""

import json

import pytest

from labkit.sandbox.apps import exchange
from labkit.sandbox.apps.bookinfo import details, ratings, reviews

GOOD_RATINGS = exchange.json_text('{"id":0,"ratings":{"Reviewer1":5,"Reviewer2":4}}')


def test_details_are_of_the_asked_book(world):
    body = world.json(f"{world.serve(details.app(details.BOOK))}/details/7")
    assert (body["id"], body["author"], body["year"], body["pages"]) == (
        7,
        "William Shakespeare",
        1595,
        200,
    )
    assert list(body) == [
        "id",
        "author",
        "year",
        "type",
        "pages",
        "publisher",
        "language",
        "ISBN-10",
        "ISBN-13",
    ]


def test_ratings_are_compact_json(world):
    url = world.serve(ratings.Ratings().handle)
    assert world.get(f"{url}/ratings/0").body == b'{"id":0,"ratings":{"Reviewer1":5,"Reviewer2":4}}'


def test_posted_ratings_are_remembered_for_that_product(world):
    url = world.serve(ratings.Ratings().handle)
    posted = world.ask("POST", f"{url}/ratings/3", body=b'{"Reviewer1":1}')
    assert (posted.status, json.loads(posted.body)) == (200, {"id": 3, "ratings": {"Reviewer1": 1}})
    assert world.json(f"{url}/ratings/3")["ratings"] == {"Reviewer1": 1}
    assert world.json(f"{url}/ratings/0")["ratings"] == ratings.STARS


@pytest.mark.parametrize(
    ("build", "method", "path", "body", "status"),
    [
        pytest.param("v1", "GET", "/ratings/abc", b"", 400, id="a word for a number"),
        pytest.param("v1", "POST", "/ratings/0", b"stars", 400, id="posting what is not JSON"),
        pytest.param("v1", "POST", "/ratings/0", b"[1]", 400, id="posting a list"),
        pytest.param("v1", "GET", "/other", b"", 404, id="another path"),
        pytest.param("v2", "POST", "/ratings/0", b"{}", 501, id="v2 does not take posts"),
        pytest.param("v2", "GET", "/ratings/0", b"", 500, id="v2 has no database here"),
    ],
)
def test_ratings_refuse(world, build, method, path, body, status):
    url = world.serve(ratings.Ratings(build=build).handle)
    assert world.ask(method, url + path, body=body).status == status


def test_the_faulty_build_fails_half_of_the_time():
    chances = iter([0.1, 0.9])
    app = ratings.Ratings(build="v-faulty", chance=lambda: next(chances))
    request = exchange.Request(method="GET", path="/ratings/0", query="", fields=[], headers={}, body=b"", peer="")
    assert [app.answer(request).status for _ in range(2)] == [503, 200]


@pytest.mark.parametrize(
    ("build", "every", "healthy"),
    [("v-unavailable", 60.0, 200), ("v-unhealthy", 900.0, 500)],
)
def test_good_and_bad_times_take_turns(world, build, every, healthy):
    now = [0.0]
    url = world.serve(ratings.Ratings(build=build, clock=lambda: now[0]).handle)
    seen = []
    for now[0] in (0.0, every - 1, every, 2 * every - 1, 2 * every):
        seen.append(world.get(f"{url}/ratings/0").status)
    assert seen == [200, 200, 503, 503, 200]
    now[0] = every
    assert world.get(f"{url}/health").status == healthy


@pytest.mark.parametrize("color", [None, "black", "red"])
def test_reviews_name_pod_and_cluster_and_give_the_stars_of_their_build(world, mesh, behind, color):
    mesh.answers["http://ratings:9080/ratings/0"] = GOOD_RATINGS
    body = world.json(f"{world.serve(reviews.app(color, behind))}/reviews/0")
    assert (body["id"], body["podname"], body["clustername"]) == ("0", "app-v1-abc", "null")
    assert [review.get("rating") for review in body["reviews"]] == (
        [None, None] if color is None else [{"stars": 5, "color": color}, {"stars": 4, "color": color}]
    )
    assert [review["reviewer"] for review in body["reviews"]] == ["Reviewer1", "Reviewer2"]
    assert len(mesh.asked) == (0 if color is None else 1)


def test_each_build_waits_for_ratings_as_long_as_the_original():
    assert reviews.TIMEOUTS == {"black": 10.0, "red": 2.5}


@pytest.mark.parametrize(
    ("answer", "is_silent"),
    [
        pytest.param(exchange.text("fault filter abort", status=500), False, id="status 500"),
        pytest.param(exchange.text("no healthy upstream", status=503), False, id="status 503"),
        pytest.param(exchange.text("not JSON"), False, id="not JSON"),
        pytest.param(exchange.text("[]"), False, id="another shape"),
        pytest.param(None, True, id="no answer in time"),
    ],
)
def test_reviews_stay_200_without_ratings(world, mesh, behind, answer, is_silent):
    mesh.answers = {} if answer is None else {"http://ratings": answer}
    mesh.silent = {"http://ratings"} if is_silent else set()
    app = reviews.Reviews(color="red", env=behind, timeout=0.05)
    reply = world.get(f"{world.serve(app.handle)}/reviews/0")
    assert reply.status == 200
    assert [review["rating"] for review in json.loads(reply.body)["reviews"]] == [
        {"error": "Ratings service is currently unavailable"}
    ] * 2


def test_reviews_hand_on_who_asks_and_which_trace_it_is(world, mesh, behind):
    url = world.serve(reviews.app("black", behind))
    sent = {
        "end-user": "jason",
        "x-request-id": "r",
        "traceparent": "t",
        "tracestate": "s",
        "x-b3-traceid": "b",
        "b3": "1",
        "cookie": "c=d",
        "authorization": "Bearer x",
        "user-agent": "test",
    }
    world.ask("GET", f"{url}/reviews/0", headers={**sent, "x-other": "stays"})
    got = mesh.asked[0].headers
    assert {name: got.get(name) for name in sent} == sent
    assert "x-other" not in got


@pytest.mark.parametrize(
    ("handler", "text"),
    [
        pytest.param(details.app(details.BOOK), {"status": "Details is healthy"}, id="details"),
        pytest.param(ratings.Ratings().handle, {"status": "Ratings is healthy"}, id="ratings"),
        pytest.param(reviews.app(None, {}), {"status": "Reviews is healthy"}, id="reviews"),
    ],
)
def test_health(world, handler, text):
    assert world.json(f"{world.serve(handler)}/health") == text


@pytest.mark.parametrize(
    ("handler", "path", "status"),
    [
        pytest.param(details.app(details.BOOK), "/details/x", 400, id="details of a word"),
        pytest.param(details.app(details.BOOK), "/", 404, id="details elsewhere"),
        pytest.param(reviews.app(None, {}), "/reviews/x", 404, id="reviews of a word"),
        pytest.param(reviews.app(None, {}), "/", 404, id="reviews elsewhere"),
    ],
)
def test_other_paths(world, handler, path, status):
    assert world.get(world.serve(handler) + path).status == status
