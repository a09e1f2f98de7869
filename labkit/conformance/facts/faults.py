"""Facts 14 to 20: faults on purpose, time limits and retries. Every band lies between two timers of the scene."""

from labkit.conformance.facts import clients, pages
from labkit.conformance.facts.fact import Checks, Fact
from labkit.conformance.facts.ground import OUTSIDE, B, Ground
from labkit.conformance.facts.routing import ALL_V1, JASON_V2, NET

DELAY_7 = f"{NET}/virtual-service-ratings-test-delay.yaml"
ABORT = f"{NET}/virtual-service-ratings-test-abort.yaml"

AT_ONCE = 1.0
"""Seconds; the shortest timer of these scenes is 2 s."""


def _too_long(ground: Ground, checks: Checks) -> None:
    ground.rules(*B, ALL_V1, JASON_V2, DELAY_7)
    page = pages.quickest(ground, user="jason")
    # Two attempts of 3 s each; the delay itself would end at 7 s, a third attempt at 9 s.
    checks.between("jason", page.seconds, 6.0, 7.0)
    checks.see("reviews missing", pages.NO_REVIEWS in page.text)
    checks.see("details there", pages.NO_DETAILS not in page.text)
    other = pages.quickest(ground)
    checks.between("anonymous", other.seconds, 0, AT_ONCE)
    checks.see("unaffected", pages.NO_REVIEWS not in other.text)


def _gives_up_first(ground: Ground, checks: Checks) -> None:
    ground.rules(*B, ALL_V1, "reviews-jason-v3.yaml", DELAY_7)
    page = pages.quickest(ground, user="jason")
    # v3 waits 2.5 s for ratings, productpage 3 s for reviews.
    checks.between("jason", page.seconds, 2.5, 3.0)
    checks.equal("version", page.version, "v3")
    checks.see("ratings missing", pages.NO_RATINGS in page.text)


def _within_limits(ground: Ground, checks: Checks) -> None:
    ground.rules(*B, ALL_V1, "reviews-jason-v3.yaml", "ratings-delay-2s-jason.yaml")
    page = pages.quickest(ground, user="jason")
    checks.between("jason", page.seconds, 2.0, 2.5)
    checks.see(f"{page.stars} stars", page.stars > 0)
    checks.equal("colours", sorted(pages.load(ground, pages.REVIEWS, user="jason").colors), ["red"])
    checks.see("no error", pages.NO_RATINGS not in page.text and pages.NO_REVIEWS not in page.text)


def _abort(ground: Ground, checks: Checks) -> None:
    ground.rules(*B, ALL_V1, JASON_V2, ABORT)
    page = pages.quickest(ground, user="jason")
    checks.between("jason", page.seconds, 0, AT_ONCE)
    checks.see("ratings missing", pages.NO_RATINGS in page.text)
    checks.see("reviews there", pages.NO_REVIEWS not in page.text and page.version == "v2")
    other = pages.load(ground)
    checks.see("anonymous without an error", pages.NO_RATINGS not in other.text and pages.NO_REVIEWS not in other.text)


def _details(ground: Ground, checks: Checks) -> None:
    warnings = ground.rules(*B, f"{NET}/fault-injection-details-v1.yaml")
    checks.see("kubectl warns of a rule that is not used", "rule #1 not used" in warnings)
    page = pages.load(ground)
    checks.equal("page", page.status, 200)
    checks.see("details missing", pages.NO_DETAILS in page.text)
    checks.see("reviews there", pages.NO_REVIEWS not in page.text)
    checks.equal("details by the API", pages.load(ground, pages.DETAILS).status, 555)


def _time_limit(ground: Ground, checks: Checks) -> None:
    slow = (*B, ALL_V1, "reviews-v2.yaml", "ratings-delay-2s.yaml")
    ground.rules(*slow)
    page = pages.quickest(ground)
    checks.between("before", page.seconds, 2.0, 3.0)
    checks.see(f"{page.stars} stars", page.stars > 0)
    ground.rules(*slow, "reviews-v2-timeout.yaml")
    page = pages.quickest(ground)
    # Two attempts of 0.5 s each; without the limit it would be 2 s.
    checks.between("with timeout 0.5 s", page.seconds, 1.0, 2.0)
    checks.see("sorry", pages.SORRY in page.text)
    checks.equal("reviews by the API", pages.load(ground, pages.REVIEWS).status, 504)


def _retries(ground: Ground, checks: Checks) -> None:
    ground.deploy("httpbin/httpbin.yaml")
    ground.deploy("httpbin/httpbin.yaml", namespace=OUTSIDE)
    ground.rules(*B)
    checks.equal("attempts at a 503", _attempts(ground), 1)
    ground.rules(*B, "httpbin-retries.yaml")
    checks.equal("with attempts: 2, retryOn: 5xx", _attempts(ground), 3)
    half = ground.filled("half-dead.yaml", {"ADDRESS": ground.address("app=httpbin", OUTSIDE)})
    asked = ("--resolve", f"half.facts.test:8080:{ground.address('app=httpbin', OUTSIDE)}")
    url = "http://half.facts.test:8080/status/200?n=[1-40]"
    ground.rules(*B, half)
    checks.equal("of 40 to one dead endpoint of two", dict(clients.statuses(ground, *asked, url)), {"200": 40})
    ground.rules(*B, half, "half-dead-no-retries.yaml")
    statuses = clients.statuses(ground, *asked, url)
    checks.see(f"with attempts: 0, {statuses['503']} of 40 are 503", 0 < statuses["503"] < 40)


def _attempts(ground: Ground) -> int:
    """How often httpbin sees one request that it answers with 503."""
    word, last = clients.token(), clients.token()
    clients.status(ground, f"http://httpbin:8000/status/503?fact={word}")
    clients.status(ground, f"http://httpbin:8000/status/200?fact={last}")
    clients.until_logged(ground, "app=httpbin", "httpbin", last)
    return clients.logged(ground, "app=httpbin", "httpbin", word)


FACTS = (
    Fact(
        number=14,
        sentence="A delay of 7 s is longer than productpage waits, so reviews fail after two attempts.",
        asked="jason ≈6 s without reviews, details there; anonymous at once",
        measure=_too_long,
    ),
    Fact(
        number=15,
        sentence="reviews v3 gives up on ratings after 2.5 s, and the page has reviews without stars.",
        asked="jason ≈2.5 s, “Ratings service is currently unavailable”",
        measure=_gives_up_first,
    ),
    Fact(
        number=16,
        sentence="A delay of 2 s is within every limit: late, and whole.",
        asked="jason ≈2 s, red stars, no error",
        measure=_within_limits,
    ),
    Fact(
        number=17,
        sentence="An abort of ratings costs jason the stars and nobody else anything.",
        asked="jason at once, reviews without ratings; anonymous no error",
        measure=_abort,
    ),
    Fact(
        number=18,
        sentence="fault-injection-details-v1 takes away the details and warns of its second rule.",
        asked="page 200 without details, details 555, reviews fine",
        measure=_details,
    ),
    Fact(
        number=19,
        sentence="A timeout on the route ends the wait, once for each attempt of productpage.",
        asked="≈2 s with stars; with 0.5 s ≈1 s, sorry, 504",
        measure=_time_limit,
    ),
    Fact(
        number=20,
        sentence="Istio retries connections that fail, not answers of 503, unless it is told to.",
        asked="503 once, three times with retryOn 5xx; 40 of 40 beside a dead endpoint, fewer with attempts: 0",
        measure=_retries,
    ),
)
