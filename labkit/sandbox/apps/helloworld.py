"""helloworld: says which version and which pod answered."""

from collections.abc import Callable, Mapping, Sequence

from labkit.sandbox.apps import exchange, server
from labkit.sandbox.apps.exchange import Request, Response

PORT = 5000


def app(version: str, env: Mapping[str, str]) -> Callable[[Request], Response]:
    """Answers ``/hello`` and ``/health``."""
    podname = env.get("HOSTNAME") or "unknown"
    version = env.get("SERVICE_VERSION") or version

    def handle(request: Request) -> Response:
        if request.path == "/hello":
            return exchange.text(f"Hello version: {version}, instance: {podname}\n")
        if request.path == "/health":
            return exchange.text("Helloworld is healthy")
        return exchange.text("not found\n", status=404)

    return handle


def v1(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """The container's program."""
    return server.serve(app("v1", env), env, port=PORT)


def v2(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """The other version."""
    return server.serve(app("v2", env), env, port=PORT)
