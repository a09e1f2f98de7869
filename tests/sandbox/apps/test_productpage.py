"""productpage: what it shows, whom it asks, and the flaws it has on purpose."""

import json
import re

import pytest

from labkit.sandbox.apps import exchange
from labkit.sandbox.apps.bookinfo import productpage, session

DETAILS = {"id": 0, "author": "William Shakespeare", "year": 1595, "type": "paperback", "pages": 200}


def reviews_of(rating=None, **more):
    review = {"reviewer": "Reviewer1", "text": "good"} | ({"rating": rating} if rating else {})
    return {"id": "0", "podname": "reviews-v2-abc-x", "clustername": "null", "reviews": [review]} | more


@pytest.fixture
def answers(mesh):
    """Everything works; tests take something away."""
    mesh.answers = {
        "http://details:9080/details/": exchange.json_text(json.dumps(DETAILS)),
        "http://reviews:9080/reviews/": exchange.json_text(json.dumps(reviews_of())),
        "http://ratings:9080/ratings/": exchange.json_text('{"id":0,"ratings":{"Reviewer1":5}}'),
    }
    return mesh.answers


@pytest.fixture
def url(world, behind, answers):
    return world.serve(productpage.ProductPage(env=behind, timeout=0.1).handle)


def page(world, url, **headers):
    reply = world.get(f"{url}/productpage", **headers)
    assert reply.status == 200
    return reply.body.decode()


def show(answers, *, rating=None, **more):
    answers["http://reviews:9080/reviews/"] = exchange.json_text(json.dumps(reviews_of(rating, **more)))


def test_the_page_has_its_title_the_book_and_who_served_the_reviews(world, url):
    html = page(world, url)
    assert "<title>Simple Bookstore App</title>" in html
    assert "The Comedy of Errors" in html and "paperback" in html
    assert re.search(r"Reviews served by: (\S+?)<", html)[1] == "reviews-v2-abc-x"
    assert "glyphicon" not in html


@pytest.mark.parametrize("color", ["black", "red"])
def test_stars_have_the_color_of_their_build(world, url, answers, color):
    show(answers, rating={"stars": 4, "color": color})
    html = page(world, url)
    assert html.count('<svg id="glyphicon glyphicon-star"') == 4
    assert f"text-{color}-500" in html and 'aria-label="4 of 5 stars' in html


def test_a_missing_rating_is_said_in_red_and_is_no_star(world, url, answers):
    show(answers, rating={"error": "Ratings service is currently unavailable"})
    html = page(world, url)
    assert re.search(r'class="[^"]*text-red-500[^"]*">Ratings service is currently unavailable<', html)
    assert "glyphicon" not in html


@pytest.mark.parametrize("app", ["details", "reviews"])
def test_a_broken_part_leaves_the_page_200_and_the_rest_of_it(world, url, answers, app):
    del answers[f"http://{app}:9080/{app}/"]
    html = page(world, url)
    assert f"Error fetching product {app}" in html
    assert f"Sorry, product {app} are currently unavailable for this book." in html
    assert ("paperback" in html) == (app != "details")
    assert ("Reviews served by" in html) == (app != "reviews")


def test_text_from_elsewhere_is_escaped(world, url, answers):
    evil = "<script>alert(1)</script>"
    show(answers, rating={"error": evil}, podname=evil, clustername=evil)
    answers["http://details:9080/details/"] = exchange.json_text(json.dumps({"author": evil, "type": evil}))
    cookie = session.login(evil).partition(";")[0]
    html = page(world, url, cookie=cookie)
    assert evil not in html and html.count("&lt;script&gt;") >= 6


def test_reviews_are_asked_twice_and_details_once_when_they_fail(world, url, mesh, answers):
    answers.clear()
    page(world, url)
    asked = mesh.urls()
    assert (asked.count("http://details:9080/details/0"), asked.count("http://reviews:9080/reviews/0")) == (
        1,
        2,
    )


def test_a_silent_app_is_given_up_after_the_timeout_and_counts_as_500(world, url, mesh):
    mesh.silent = {"http://reviews"}
    reply = world.get(f"{url}/api/v1/products/0/reviews")
    assert (reply.status, json.loads(reply.body)) == (
        500,
        {"error": "Sorry, product reviews are currently unavailable for this book."},
    )
    assert len(mesh.asked) == 2


def test_it_waits_three_seconds_as_the_original():
    assert (productpage.TIMEOUT, productpage.ATTEMPTS) == (3.0, {"details": 1, "reviews": 2, "ratings": 1})


@pytest.mark.parametrize("path", ["", "/reviews", "/ratings"])
@pytest.mark.parametrize("status", [200, 503, 504, 555])
def test_the_api_answers_with_the_upstream_status(world, url, mesh, path, status):
    mesh.answers = {"http://": exchange.json_text('{"a": 1}', status=status)}
    assert world.get(f"{url}/api/v1/products/0{path}").status == status


def test_the_api_lists_the_one_book(world, url):
    books = world.json(f"{url}/api/v1/products")
    assert [(book["id"], book["title"]) for book in books] == [(0, "The Comedy of Errors")]


def test_each_call_comes_on_a_connection_of_its_own(world, url, mesh):
    page(world, url)
    assert {request.headers["connection"] for request in mesh.asked} == {"close"}


def test_login_gives_a_session_that_becomes_end_user(world, url, mesh):
    reply = world.ask("POST", f"{url}/login", body=b"username=jason&passwd=x")
    assert reply.status == 302 and "HttpOnly" in reply.headers["set-cookie"]
    cookie = reply.headers["set-cookie"].partition(";")[0]
    assert "<strong>jason</strong>" in page(world, url, cookie=cookie)
    assert [request.headers["end-user"] for request in mesh.asked] == ["jason", "jason"]


def test_an_end_user_header_of_a_client_is_ignored(world, url, mesh):
    page(world, url, end_user="jason")
    assert all("end-user" not in request.headers for request in mesh.asked)


@pytest.mark.parametrize("cookie", ["session=eyJ1c2VyIjoiamFzb24ifQ.AAAA.forged", "session=", "session=é", "x", "=;"])
def test_a_cookie_that_we_did_not_sign_is_nobody(cookie):
    assert session.user_of({"cookie": cookie}) == ""


def test_a_session_of_any_text_comes_back():
    for user in ("jason", "Jürgen", '"<>;,', "a" * 200):
        assert session.user_of({"cookie": session.login(user).partition(";")[0]}) == user


def test_logout_forgets_the_session(world, url):
    reply = world.get(f"{url}/logout", referer="http://host/productpage")
    assert (reply.status, reply.headers["location"]) == (302, "http://host/productpage")
    assert reply.headers["set-cookie"].startswith("session=; Expires=Thu, 01 Jan 1970")


def test_a_referer_cannot_add_a_header(world, url):
    reply = world.ask("POST", f"{url}/login", body=b"username=a", headers={"referer": "http://h/\x0bx: y"})
    assert "\x0b" not in reply.headers["location"]


def test_the_trace_and_the_cookie_are_handed_on(world, url, mesh):
    page(world, url, x_request_id="r", traceparent="t", cookie="a=b", authorization="Bearer j")
    for request in mesh.asked:
        got = {name: request.headers.get(name) for name in ("x-request-id", "traceparent", "cookie", "authorization")}
        assert got == {"x-request-id": "r", "traceparent": "t", "cookie": "a=b", "authorization": "Bearer j"}


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/static/style.css", 200, "text/css"),
        ("/static/icon.svg", 200, "image/svg+xml"),
        ("/static/../page.py", 404, "text/plain"),
        ("/health", 200, "text/plain"),
        ("/metrics", 200, "text/plain"),
        ("/", 200, "text/html"),
        ("/nowhere", 404, "text/html"),
        ("/login", 404, "text/html"),
        ("/api/v1/products/x", 404, "text/html"),
        ("/api/v1/products/0/authors", 404, "text/html"),
    ],
)
def test_other_paths(world, url, path, status, kind):
    reply = world.get(url + path)
    assert reply.status == status and reply.headers["content-type"].startswith(kind)


def test_the_page_needs_nothing_from_the_internet(world, url):
    css = world.get(f"{url}/static/style.css").body.decode()
    assert not re.search(r"https?://(?!www.w3.org/2000/svg)|//cdn", css)  # the name of SVG, never fetched
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page(world, url))


def test_calls_are_counted_for_prometheus(world, url):
    page(world, url)
    text = world.get(f"{url}/metrics").body.decode()
    assert 'request_result_total{destination_app="reviews",response_code="200"} 1.0' in text


def test_the_flooding_build_asks_a_hundred_times_more(world, behind, mesh, answers):
    url = world.serve(productpage.ProductPage(env={**behind, "FLOOD_FACTOR": "100"}).handle)
    page(world, url)
    assert mesh.urls().count("http://reviews:9080/reviews/0") == 101


def test_a_domain_moves_the_services(world, behind, mesh):
    env = {**behind, "SERVICES_DOMAIN": "books.svc", "DETAILS_HOSTNAME": "info", "DETAILS_SERVICE_PORT": "81"}
    page(world, world.serve(productpage.ProductPage(env=env).handle))
    assert mesh.urls()[:2] == [
        "http://info.books.svc:81/details/0",
        "http://reviews.books.svc:9080/reviews/0",
    ]
