"""details: facts about the one book."""

import json
from collections.abc import Callable, Mapping, Sequence

from labkit.sandbox.apps import exchange, server
from labkit.sandbox.apps.exchange import Request, Response

BOOK = {
    "author": "William Shakespeare",
    "year": 1595,
    "type": "paperback",
    "pages": 200,
    "publisher": "PublisherA",
    "language": "English",
    "ISBN-10": "1234567890",
    "ISBN-13": "123-1234567890",
}

HELD_ELSEWHERE = {
    "pages": 320,
    "publisher": "PublisherB",
    "ISBN-10": "0486424618",
    "ISBN-13": "9780486424613",
}
"""What v2 answers: the original asks a book service on the internet, which the sandbox does not have."""


def app(book: Mapping[str, object]) -> Callable[[Request], Response]:
    """Answers ``/details/N`` and ``/health``."""

    def handle(request: Request) -> Response:
        if request.path == "/health":
            return exchange.json_text('{"status":"Details is healthy"}')
        if not request.path.startswith("/details/"):
            return exchange.text("not found\n", status=404)
        number = request.path.removeprefix("/details/")
        if not (number.isascii() and number.isdigit()):
            return exchange.json_text('{"error":"please provide numeric product id"}', status=400)
        return exchange.json_text(json.dumps({"id": int(number), **book}))

    return handle


def v1(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """The container's program."""
    return server.serve(app(BOOK), env)


def v2(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """The build that looks the book up elsewhere."""
    return server.serve(app({**BOOK, **HELD_ELSEWHERE}), env)
