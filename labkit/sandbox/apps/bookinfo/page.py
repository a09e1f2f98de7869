"""What the product page looks like: text in, HTML out. Everything that comes from elsewhere is escaped."""

from collections.abc import Mapping
from html import escape
from typing import Any

STAR = (
    '<svg id="glyphicon glyphicon-star" class="star" viewBox="0 0 24 24" aria-hidden="true">'
    '<path d="M12 1.8l3.1 6.5 7.1.9-5.2 4.9 1.3 7.1L12 17.7l-6.3 3.5L7 14.1 1.8 9.2l7.1-.9z"/></svg>'
)
"""One star; the id is the original's, which tests and lessons look for."""

MOST_STARS = 5

_MASK = (
    '<path d="M4 6c8-4 22-4 30 0 2 18-2 32-15 38C6 38 2 24 4 6z"/>'
    '<path class="cut" d="M9 15q4-4 8 0M21 15q4-4 8 0M9 25q10 12 20 0-10 4-20 0z"/>'
)

TWINS = (
    f'<svg class="twins" viewBox="0 0 92 62"><g transform="rotate(-9 20 24) translate(2 10)">{_MASK}</g>'
    f'<g transform="rotate(9 72 24) translate(50 4)">{_MASK}</g></svg>'
)
"""The cover's picture: the same mask twice."""

LABELS = {
    "type": "Type",
    "pages": "Pages",
    "publisher": "Publisher",
    "language": "Language",
    "ISBN-10": "ISBN-10",
    "ISBN-13": "ISBN-13",
}


def front(
    *,
    user: str,
    podname: str,
    product: Mapping[str, Any],
    details: Mapping[str, Any],
    details_status: int,
    reviews: Mapping[str, Any],
    reviews_status: int,
) -> str:
    """The product page; ``details`` and ``reviews`` are what those apps answered, or hold ``error``."""
    body = f"""{_bar(user)}
<main>
  <section class="book" aria-labelledby="title">
    {_cover(details)}
    <div class="about">
      <h1 id="title">{escape(str(product["title"]))}</h1>
      {_byline(details)}
      <p class="lead">{escape(str(product["descriptionHtml"]))}</p>
      {_details(details)}
    </div>
  </section>
  {_reviews(reviews)}
  {_path(podname, details_status, reviews, reviews_status)}
</main>"""
    return _document(body)


def index() -> str:
    """The root of the app, which the tutorial's gateway does not expose."""
    return _document(
        """<main><section class="card"><h1>Bookinfo</h1>
<p class="lead">A small book shop made of four services.</p>
<p><a class="button" href="productpage">Open the product page</a></p></section></main>"""
    )


def not_found(path: str) -> str:
    """A page that is not there."""
    return _document(
        f'<main><section class="card"><h1>Not found</h1><p>This app has no page <code>{escape(path)}</code>.'
        "</p></section></main>",
        title="Not found",
        root="/" if path.count("/") > 1 else "",
    )


def _document(body: str, *, title: str = "Simple Bookstore App", root: str = "") -> str:
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="{root}static/icon.svg">
<link rel="stylesheet" href="{root}static/style.css">
</head>
<body>
{body}
</body>
</html>
"""


def _bar(user: str) -> str:
    if user:
        who = (
            f'<p class="who"><span class="avatar" aria-hidden="true">{escape(user[:1].upper())}</span>'
            f'<span>Signed in as <strong>{escape(user)}</strong></span></p><a class="button" href="logout">'
            "Sign out</a>"
        )
    else:
        who = (
            '<form class="login" method="post" action="login"><label for="username">User name</label>'
            '<input id="username" name="username" autocomplete="username" spellcheck="false" required>'
            '<button class="button">Sign in</button></form>'
        )
    return (
        '<header class="bar"><a class="brand" href="productpage">'
        f'<span class="mark" aria-hidden="true"></span>Simple Bookstore App</a>{who}</header>'
    )


def _cover(details: Mapping[str, Any]) -> str:
    author = escape(str(details.get("author", "")))
    return (
        '<div class="cover" aria-hidden="true"><span class="cover-title">The Comedy<br>of Errors</span>'
        f'<span class="cover-rule"></span><span class="cover-author">{author}</span>{TWINS}</div>'
    )


def _byline(details: Mapping[str, Any]) -> str:
    if "error" in details:
        return ""
    author, year = escape(str(details.get("author", ""))), escape(str(details.get("year", "")))
    return f'<p class="byline">by {author}, {year}</p>'


def _details(details: Mapping[str, Any]) -> str:
    if "error" in details:
        return _trouble("Error fetching product details", str(details["error"]))
    rows = "".join(
        f"<div><dt>{label}</dt><dd>{escape(str(details[key]))}</dd></div>"
        for key, label in LABELS.items()
        if key in details
    )
    return f'<h2 class="quiet">Book details</h2><dl class="facts">{rows}</dl>'


def _reviews(reviews: Mapping[str, Any]) -> str:
    if "error" in reviews:
        inside = _trouble("Error fetching product reviews", str(reviews["error"]))
        return f'<section aria-labelledby="reviews"><h2 id="reviews">Reviews</h2>{inside}</section>'
    cards = "".join(_review(review) for review in reviews.get("reviews", []))
    podname, cluster = escape(str(reviews.get("podname", ""))), str(reviews.get("clustername", "null"))
    where = f" on cluster {escape(cluster)}" if cluster != "null" else ""
    return (
        '<section aria-labelledby="reviews"><h2 id="reviews">Reviews</h2>'
        f'<div class="reviews">{cards}</div>'
        f'<p class="served">Reviews served by: {podname}{where}</p></section>'
    )


def _review(review: Mapping[str, Any]) -> str:
    return (
        f'<figure class="card review">{_rating(review.get("rating"))}<blockquote>'
        f"{escape(str(review.get('text', '')))}</blockquote>"
        f"<figcaption>{escape(str(review.get('reviewer', '')))}</figcaption></figure>"
    )


def _rating(rating: Any) -> str:
    """Stars, the reason why there are none, or nothing when the build of reviews knows no stars."""
    if not isinstance(rating, dict):
        return ""
    if "error" in rating:
        return f'<p class="no-stars text-red-500">{escape(str(rating["error"]))}</p>'
    given = rating.get("stars", 0)
    stars = max(0, min(MOST_STARS, given)) if isinstance(given, int) else 0
    color = escape(str(rating.get("color", "black")))
    missing = '<span class="no-star"></span>' * (MOST_STARS - stars)
    return (
        f'<div class="stars text-{color}-500" role="img" aria-label="{stars} of {MOST_STARS} stars, {color}">'
        f"{STAR * stars}{missing}</div>"
    )


def _trouble(title: str, why: str) -> str:
    return f'<div class="trouble" role="alert"><h3>{title}</h3><p>{escape(why)}</p></div>'


def _path(podname: str, details_status: int, reviews: Mapping[str, Any], reviews_status: int) -> str:
    """Which apps had a part in this page, for somebody who watches the mesh."""
    ratings = [r["rating"] for r in reviews.get("reviews", []) if isinstance(r.get("rating"), dict)]
    if any("error" in rating for rating in ratings):
        stars = _stop("ratings", "did not answer", good=False)
    elif ratings:
        stars = _stop("ratings", f"{ratings[0].get('color', '')} stars", good=True)
    else:
        stars = _stop("ratings", "not asked", good=None)
    served = str(reviews.get("podname", "")) or f"status {reviews_status}"
    stops = [
        _stop("productpage", podname, good=True),
        _stop("details", f"status {details_status}", good=details_status == 200),
        _stop("reviews", served, good=reviews_status == 200),
        stars,
    ]
    return (
        '<section aria-labelledby="path"><h2 id="path" class="quiet">How this page was made</h2>'
        f'<ol class="path">{"".join(stops)}</ol></section>'
    )


def _stop(app: str, text: str, *, good: bool | None) -> str:
    kind = {True: "good", False: "bad", None: "idle"}[good]
    return f'<li class="{kind}"><strong>{app}</strong><span>{escape(text)}</span></li>'
