"""productpage: asks details and reviews, and shows the page. Its flaws are the original's, on purpose."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

from labkit.sandbox.apps import exchange, outbound, server
from labkit.sandbox.apps.bookinfo import forwarding, page, session
from labkit.sandbox.apps.exchange import Request, Response

TIMEOUT = 3.0
"""Seconds for each call of details, reviews and ratings."""

ATTEMPTS = {"details": 1, "reviews": 2, "ratings": 1}
"""Reviews are asked twice whenever the answer is not 200: the bug that the fault-injection task finds."""

PRODUCT = {
    "id": 0,
    "title": "The Comedy of Errors",
    "descriptionHtml": "Two pairs of twins, parted by a shipwreck, meet in one town and do not know it.",
}

STATIC = Path(__file__).parent / "static"

TYPES = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}

HTML = "text/html; charset=utf-8"


class ProductPage:
    """The front of Bookinfo."""

    def __init__(self, *, env: Mapping[str, str], timeout: float = TIMEOUT) -> None:
        self.podname = env.get("HOSTNAME") or env.get("LABKIT_POD_NAME") or "unknown"
        self.calls: Counter[tuple[str, int]] = Counter()
        """Calls made so far by app and status."""
        self._timeout = timeout
        self._flood = int(env.get("FLOOD_FACTOR") or 0)
        self._outbound = outbound.Outbound(env)
        self._urls = {name: forwarding.service_url(env, name) for name in ATTEMPTS}
        self._static = {p.name: (TYPES[p.suffix], p.read_bytes()) for p in STATIC.iterdir()}

    def __repr__(self) -> str:
        return f"ProductPage({self.podname}, {sum(self.calls.values())} calls)"

    async def handle(self, request: Request) -> Response:
        """Every page of the app."""
        path = request.path
        if path == "/productpage":
            return await self._front(request)
        if path.startswith("/api/v1/products"):
            return await self._api(request, path.removeprefix("/api/v1/products").strip("/"))
        if path.startswith("/static/"):
            return self._file(path.removeprefix("/static/"))
        if path == "/login" and request.method == "POST":
            return _login(request)
        if path == "/logout":
            return _back(request, session.logout())
        if path in ("/", "/index.html"):
            return Response(body=page.index().encode(), content_type=HTML)
        if path == "/health":
            return exchange.text("Product page is healthy")
        if path == "/metrics":
            return exchange.text(self._metrics())
        return Response(status=404, body=page.not_found(path).encode(), content_type=HTML)

    async def _front(self, request: Request) -> Response:
        user = session.user_of(request.headers)
        headers = forwarding.forwarded(request.headers, user=user)
        details_status, details = await self._ask("details", 0, headers)
        for _ in range(self._flood):
            await self._ask("reviews", 0, headers)
        reviews_status, reviews = await self._ask("reviews", 0, headers)
        body = page.front(
            user=user,
            podname=self.podname,
            product=PRODUCT,
            details=details,
            details_status=details_status,
            reviews=reviews,
            reviews_status=reviews_status,
        )
        return Response(body=body.encode(), content_type=HTML)

    async def _api(self, request: Request, rest: str) -> Response:
        if not rest:
            return exchange.json_text(json.dumps([PRODUCT]))
        number, _, part = rest.partition("/")
        app = part or "details"
        if not (number.isascii() and number.isdigit()) or app not in ATTEMPTS or part == "details":
            return Response(status=404, body=page.not_found(request.path).encode(), content_type=HTML)
        user = session.user_of(request.headers)
        headers = forwarding.forwarded(request.headers, user=user)
        status, document = await self._ask(app, int(number), headers)
        return exchange.json_text(json.dumps(document), status=status)

    async def _ask(self, app: str, number: int, headers: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Status and JSON of the last attempt; 500 stands for no answer in time, or none at all."""
        status = 500
        for _ in range(ATTEMPTS[app]):
            try:
                reply = await self._outbound.get(f"{self._urls[app]}/{number}", headers=headers, within=self._timeout)
                status, document = reply.status, json.loads(reply.body) if reply.status == 200 else None
            except (OSError, TimeoutError, ValueError):
                status, document = 500, None
            self.calls[app, status] += 1
            if isinstance(document, dict):
                return 200, document
        return status, {"error": f"Sorry, {_thing(app)} are currently unavailable for this book."}

    def _file(self, name: str) -> Response:
        file = self._static.get(name)
        if file is None:
            return exchange.text("not found\n", status=404)
        content_type, body = file
        return Response(body=body, content_type=content_type, fields=[("cache-control", "public, max-age=300")])

    def _metrics(self) -> str:
        lines = ["# HELP request_result_total Results of requests", "# TYPE request_result_total counter"]
        for (app, status), count in sorted(self.calls.items()):
            lines.append(f'request_result_total{{destination_app="{app}",response_code="{status}"}} {count}.0')
        return "\n".join([*lines, ""])


def _thing(app: str) -> str:
    return f"product {app}"


def _login(request: Request) -> Response:
    form = parse_qs(request.body.decode("utf-8", "replace"))
    user = form.get("username", [""])[0].strip()
    return _back(request, session.login(user) if user else session.logout())


def _back(request: Request, cookie: str) -> Response:
    """302 to where the browser came from, else to the page, relative so that it works behind any prefix."""
    where = quote(request.headers.get("referer", ""), safe="/:?=&%#[]@!$'()*+,;~") or "productpage"
    return Response(status=302, fields=[("location", where), ("set-cookie", cookie)], content_type=HTML)


def v1(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """The container's program."""
    return server.serve(ProductPage(env=env).handle, env)


def flooding(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Asks for reviews a hundred times more for each page."""
    return v1(argv, {"FLOOD_FACTOR": "100", **env})
