"""reviews: two reviews; v2 and v3 ask ratings for stars, and give up after different times."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence

from labkit.sandbox.apps import exchange, outbound, server
from labkit.sandbox.apps.bookinfo import forwarding
from labkit.sandbox.apps.exchange import Request, Response

REVIEWS = (
    ("Reviewer1", "Two pairs of twins, one town and not a dull minute. I laughed out loud on the train."),
    (
        "Reviewer2",
        "Fast, silly and cheerful. Do not look for the depth of the later plays, and enjoy the ride.",
    ),
)

TIMEOUTS = {"black": 10.0, "red": 2.5}
"""Seconds that a build with stars of that colour waits for ratings."""

UNAVAILABLE = "Ratings service is currently unavailable"


class Reviews:
    """One build: ``color`` of its stars, or None for v1, which does not ask for any."""

    def __init__(self, *, color: str | None, env: Mapping[str, str], timeout: float | None = None) -> None:
        self.color = color
        self._timeout = timeout or TIMEOUTS.get(color or "", 0.0)
        self.podname = env.get("HOSTNAME") or env.get("LABKIT_POD_NAME") or "unknown"
        self.clustername = env.get("CLUSTER_NAME") or "null"  # what Java prints for a variable that is not set
        self._ratings = forwarding.service_url(env, "ratings")
        self._outbound = outbound.Outbound(env)

    def __repr__(self) -> str:
        return f"Reviews({self.podname}, stars {self.color or 'none'})"

    def handle(self, request: Request) -> Response | Awaitable[Response]:
        """Answers ``/reviews/N`` and ``/health``."""
        if request.path == "/health":
            return exchange.json_text('{"status": "Reviews is healthy"}')
        number = request.path.removeprefix("/reviews/")
        if number == request.path or not (number.isascii() and number.isdigit()):
            return exchange.text("not found\n", status=404)
        if self.color is None:
            return self._page(number, None)
        return self._with_stars(number, request)

    async def _with_stars(self, number: str, request: Request) -> Response:
        return self._page(number, await self._stars(number, request))

    async def _stars(self, number: str, request: Request) -> dict[str, object]:
        headers = forwarding.forwarded(request.headers)
        try:
            reply = await self._outbound.get(f"{self._ratings}/{number}", headers=headers, within=self._timeout)
        except (OSError, TimeoutError) as e:
            print(f"Error: unable to contact {self._ratings}: {e or 'timed out'}", flush=True)
            return {}
        if reply.status != 200:
            print(f"Error: unable to contact {self._ratings} got status of {reply.status}", flush=True)
            return {}
        try:
            ratings = json.loads(reply.body)["ratings"]
        except (ValueError, LookupError, TypeError):
            return {}
        return ratings if isinstance(ratings, dict) else {}

    def _page(self, number: str, stars: Mapping[str, object] | None) -> Response:
        reviews = []
        for reviewer, text in REVIEWS:
            review: dict[str, object] = {"reviewer": reviewer, "text": text}
            if stars is not None:
                given = stars.get(reviewer)
                is_given = isinstance(given, int) and given >= 0
                review["rating"] = {"stars": given, "color": self.color} if is_given else {"error": UNAVAILABLE}
            reviews.append(review)
        page = {"id": number, "podname": self.podname, "clustername": self.clustername, "reviews": reviews}
        return exchange.json_text(json.dumps(page))


def app(color: str | None, env: Mapping[str, str]) -> Callable[[Request], Response | Awaitable[Response]]:
    """The handler of a build."""
    return Reviews(color=color, env=env).handle


def v1(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """No stars."""
    return server.serve(app(None, env), env)


def v2(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Black stars, patient."""
    return server.serve(app("black", env), env)


def v3(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Red stars, impatient."""
    return server.serve(app("red", env), env)
