"""ratings: stars by reviewer, and the builds that misbehave on purpose."""

import asyncio
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from labkit.sandbox.apps import exchange, server
from labkit.sandbox.apps.exchange import Request, Response

STARS = {"Reviewer1": 5, "Reviewer2": 4}

DELAY = 7.0
"""Seconds that ``v-delayed`` waits before half of its answers."""

UNAVAILABLE_EVERY = 60.0
"""Seconds between good and bad times of ``v-unavailable``."""

UNHEALTHY_EVERY = 900.0
"""Seconds between good and bad times of ``v-unhealthy``, which says so at ``/health`` too."""


@dataclass(kw_only=True)
class Ratings:
    """Stars in memory; ``build`` is the version that decides how it fails."""

    build: str = "v1"
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random
    delay: float = DELAY
    """Seconds; see ``DELAY``."""

    added: dict[int, dict[str, object]] = field(default_factory=dict)
    """What was posted, by product."""

    def __post_init__(self) -> None:
        self._started = self.clock()

    async def handle(self, request: Request) -> Response:
        """Waits as ``v-delayed`` does, then answers."""
        if self.build == "v-delayed" and request.path != "/health" and self.chance() < 0.5:
            await asyncio.sleep(self.delay)
        return self.answer(request)

    def answer(self, request: Request) -> Response:
        """Answers ``/ratings/N`` and ``/health``."""
        if request.path == "/health":
            return self._health()
        if not request.path.startswith("/ratings/"):
            return _error(404, "not found")
        number = request.path.removeprefix("/ratings/").partition("/")[0]
        if not (number.isascii() and number.isdigit()):
            return _error(400, "please provide numeric product ID")
        if request.method == "GET":
            return self._get(int(number))
        if request.method in ("POST", "PUT"):
            return self._post(int(number), request.body)
        return _error(405, "only GET and POST")

    def _get(self, number: int) -> Response:
        if self.build == "v2":
            return _error(500, "could not connect to ratings database")
        if self._is_down() or (self.build == "v-faulty" and self.chance() < 0.5):
            return _error(503, "Service unavailable")
        return self._ratings(number)

    def _post(self, number: int, body: bytes) -> Response:
        if self.build == "v2":
            return _error(501, "Post not implemented for database backed ratings")
        try:
            stars = json.loads(body)
        except ValueError:
            stars = None
        if not isinstance(stars, dict):
            return _error(400, "please provide valid ratings JSON")
        self.added[number] = stars
        return self._ratings(number)

    def _ratings(self, number: int) -> Response:
        ratings = self.added.get(number, STARS)
        return exchange.json_text(json.dumps({"id": number, "ratings": ratings}, separators=(",", ":")))

    def _health(self) -> Response:
        if self.build == "v-unhealthy" and self._is_down():
            return exchange.json_text('{"status":"Ratings is not healthy"}', status=500)
        return exchange.json_text('{"status":"Ratings is healthy"}')

    def _is_down(self) -> bool:
        every = {"v-unavailable": UNAVAILABLE_EVERY, "v-unhealthy": UNHEALTHY_EVERY}.get(self.build)
        return every is not None and int((self.clock() - self._started) / every) % 2 == 1


def _error(status: int, message: str) -> Response:
    return exchange.json_text(json.dumps({"error": message}), status=status)


def v1(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """The container's program; ``SERVICE_VERSION`` may choose another build, as in the original's images."""
    return _run(env, env.get("SERVICE_VERSION", "v1"))


def v2(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """The build that wants a database; the sandbox has none, and it says so."""
    return _run(env, "v2")


def faulty(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Half of its answers are 503."""
    return _run(env, "v-faulty")


def delayed(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Half of its answers come after 7 s."""
    return _run(env, "v-delayed")


def unavailable(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Answers 503 every other minute."""
    return _run(env, "v-unavailable")


def unhealthy(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Answers 503, and is unhealthy, every other quarter of an hour."""
    return _run(env, "v-unhealthy")


def _run(env: Mapping[str, str], build: str) -> int:
    ratings = Ratings(build=build)
    return server.serve(ratings.handle if build == "v-delayed" else ratings.answer, env)
