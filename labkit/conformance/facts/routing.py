"""Facts 1 to 6 and 13: the gateway, and which requests go where."""

from labkit.conformance.facts import clients, pages
from labkit.conformance.facts.fact import Checks, Fact
from labkit.conformance.facts.ground import NAMESPACE, B, Ground
from labkit.kube import resources

NET = "bookinfo/networking"
GATEWAY = f"{NET}/bookinfo-gateway.yaml"
SUBSETS = f"{NET}/destination-rule-all.yaml"
ALL_V1 = f"{NET}/virtual-service-all-v1.yaml"
JASON_V2 = f"{NET}/virtual-service-reviews-test-v2.yaml"

THIRDS = {"v1": 1, "v2": 1, "v3": 1}
COUNT = 600
"""Requests that a share is judged by: enough to tell 10 % from 20 %."""

LOADS = 50
"""Pages that are looked at one by one."""


def _ingress(ground: Ground, checks: Checks) -> None:
    ground.rules(GATEWAY)
    page = pages.load(ground)
    checks.equal("page", page.status, 200)
    checks.see("its title", "<title>Simple Bookstore App</title>" in page.text)
    checks.equal("/", pages.load(ground, "/").status, 404)
    books = pages.load(ground, "/api/v1/products").json
    checks.equal("ids of the books", [book.get("id") for book in books or []], [0])
    checks.equal("/ratings/0", pages.load(ground, "/ratings/0").status, 404)


def _no_rules(ground: Ground, checks: Checks) -> None:
    ground.rules(*B)
    _thirds(ground, checks)


def _thirds(ground: Ground, checks: Checks) -> None:
    clients.until_settled(ground, THIRDS)
    reviews = clients.reviews(ground, COUNT)
    checks.split(clients.counts(reviews), THIRDS)
    colors = {(review.version, review.color) for review in reviews}
    checks.equal(
        "colours", sorted(f"{v} {c or 'none'}" for v, c in colors if v in THIRDS), ["v1 none", "v2 black", "v3 red"]
    )


def _all_v1(ground: Ground, checks: Checks) -> None:
    ground.rules(*B, ALL_V1)
    for user in ("", "jason"):
        loaded = pages.load_many(ground, count=LOADS, user=user)
        checks.equal(f"{user or 'anonymous'}: versions", sorted({page.version for page in loaded}), ["v1"])
        checks.equal("stars", sum(page.stars for page in loaded), 0)


def _no_subsets(ground: Ground, checks: Checks) -> None:
    ground.rules(GATEWAY, ALL_V1)
    page = pages.load(ground)
    checks.equal("page", page.status, 200)
    checks.see("both errors on it", pages.NO_DETAILS in page.text and pages.NO_REVIEWS in page.text)
    checks.equal("details by the API", pages.load(ground, pages.DETAILS).status, 503)
    checks.equal("productpage from the client", clients.status(ground, "http://productpage:9080/productpage"), "503")
    ground.rules(GATEWAY, ALL_V1, SUBSETS)
    healed = pages.load(ground)
    checks.see("healed by the DestinationRules", pages.NO_DETAILS not in healed.text and healed.version == "v1")


def _by_user(ground: Ground, checks: Checks) -> None:
    ground.rules(*B, ALL_V1, JASON_V2)
    loaded = pages.load_many(ground, count=LOADS, user="jason")
    checks.equal("jason: versions", sorted({page.version for page in loaded}), ["v2"])
    checks.see("stars on every page", all(page.stars for page in loaded))
    checks.equal("colours", sorted(pages.load(ground, pages.REVIEWS, user="jason").colors), ["black"])
    for who, user, headers in (("anonymous", "", {}), ("Jason", "Jason", {}), ("header", "", {"end-user": "jason"})):
        page = pages.load(ground, user=user, headers=headers)
        checks.equal(f"{who}: version", page.version, "v1")
        checks.equal("stars", page.stars, 0)
    direct = {review.version for review in clients.reviews(ground, clients.SETTLED, user="jason")}
    checks.equal("header to reviews itself", sorted(direct), ["v2"])


def _jason_black(ground: Ground, checks: Checks) -> None:
    ground.rules(*B, f"{NET}/virtual-service-reviews-jason-v2-v3.yaml")
    for user, version, color in (("jason", "v2", "black"), ("", "v3", "red")):
        loaded = pages.load_many(ground, pages.REVIEWS, count=LOADS, user=user)
        checks.equal(f"{user or 'everyone else'}:", sorted({page.version for page in loaded}), [version])
        checks.equal("colours", sorted(set().union(*(page.colors for page in loaded))), [color])


def _deleted(ground: Ground, checks: Checks) -> None:
    ground.rules(*B, ALL_V1, f"{NET}/virtual-service-reviews-v3.yaml")
    clients.until_settled(ground, {"v3"})
    ground.delete(ALL_V1)
    left = [resources.name_of(rule) for rule in ground.api.list(resources.VIRTUAL_SERVICES, NAMESPACE)]
    checks.equal("VirtualServices left", left, ["bookinfo"])
    _thirds(ground, checks)


FACTS = (
    Fact(
        number=1,
        sentence="bookinfo-gateway lets in what its VirtualService names, and nothing else.",
        asked="page 200, / 404, one book, ratings 404",
        measure=_ingress,
    ),
    Fact(
        number=2,
        sentence="Without VirtualServices every version of reviews gets its third.",
        asked="a third each; v1 no stars, v2 black, v3 red",
        measure=_no_rules,
    ),
    Fact(
        number=3,
        sentence="all-v1 sends everybody to v1.",
        asked="50 pages each, all v1, no stars",
        measure=_all_v1,
    ),
    Fact(
        number=4,
        sentence="A subset that no DestinationRule has gives 503, until one has it.",
        asked="page 200 with both errors, API 503, direct 503; healed by destination-rule-all",
        measure=_no_subsets,
    ),
    Fact(
        number=5,
        sentence="A header routes one user to v2, exactly as spelled and only where it arrives.",
        asked="jason v2 black; anonymous, Jason and a header from outside v1; a header to reviews v2",
        measure=_by_user,
    ),
    Fact(
        number=6,
        sentence="jason gets v2 and everyone else v3.",
        asked="jason black, others red",
        measure=_jason_black,
    ),
    Fact(
        number=13,
        sentence="Deleting all-v1 deletes by name, later edits included: thirds again.",
        asked="only bookinfo left; a third each",
        measure=_deleted,
    ),
)
