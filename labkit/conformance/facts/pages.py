"""Bookinfo's page and its API as a browser gets them through the gateway."""

import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from labkit.conformance.facts.ground import Ground
from labkit.traffic import fetching, results

PRODUCT = "/productpage"
DETAILS = "/api/v1/products/0"
REVIEWS = "/api/v1/products/0/reviews"

NO_DETAILS = "Error fetching product details"
NO_REVIEWS = "Error fetching product reviews"
SORRY = "Sorry, product reviews are currently unavailable for this book."
NO_RATINGS = "Ratings service is currently unavailable"

STAR = 'id="glyphicon glyphicon-star"'


@dataclass(frozen=True, kw_only=True)
class Page:
    """One answer."""

    status: int
    text: str
    seconds: float
    """From the request to the last byte."""

    @property
    def stars(self) -> int:
        """Stars on it; two reviews with five and four have nine."""
        return self.text.count(STAR)

    @property
    def version(self) -> str:
        """The version of reviews that served it."""
        return results.served_by(self.text.encode())[0]

    @property
    def json(self) -> Any:
        """The parsed text; None where it is not JSON."""
        try:
            return json.loads(self.text)
        except ValueError:
            return None

    @property
    def colors(self) -> set[str]:
        """Colours of the ratings in reviews' JSON."""
        given = self.json.get("reviews") if isinstance(self.json, dict) else None
        ratings = [review.get("rating") or {} for review in given or []]
        return {rating["color"] for rating in ratings if "color" in rating}


def load(ground: Ground, path: str = PRODUCT, *, user: str = "", headers: Mapping[str, str] | None = None) -> Page:
    """One request."""
    return load_many(ground, path, count=1, user=user, headers=headers)[0]


def load_many(
    ground: Ground,
    path: str = PRODUCT,
    *,
    count: int,
    user: str = "",
    workers: int = 4,
    headers: Mapping[str, str] | None = None,
) -> list[Page]:
    """Several, some at a time; logging in does not count as theirs."""
    sent = dict(headers or {})
    if user:
        sent["Cookie"] = fetching.session(ground.url, user=user)

    def one(_: int) -> Page:
        start = time.perf_counter()
        reply = fetching.fetch(ground.url, path, headers=sent)
        return Page(status=reply.status, text=reply.text, seconds=time.perf_counter() - start)

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(one, range(count)))


def quickest(ground: Ground, path: str = PRODUCT, *, user: str = "") -> Page:
    """The quickest of three at once: a busy machine makes an answer late, never early."""
    return min(load_many(ground, path, count=3, workers=3, user=user), key=lambda page: page.seconds)
