"""nginx: serves the files of /usr/share/nginx/html on port 80. It reads no configuration, and says so."""

import mimetypes
import os
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from labkit.sandbox.apps import server, system
from labkit.sandbox.apps.exchange import REASONS, Request, Response

PORT, UNPRIVILEGED_PORT = 80, 8080
FOLDER = "usr/share/nginx/html"
SETTINGS = ("etc/nginx/nginx.conf", "etc/nginx/conf.d", "etc/nginx/templates")
"""Where a user would put configuration."""

VERSION = "nginx/1.29.3"

WELCOME = """<!DOCTYPE html>
<html>
<head><title>Welcome to nginx!</title></head>
<body>
<h1>Welcome to nginx!</h1>
<p>The sandbox serves this page in nginx's place; files of your own go to /usr/share/nginx/html.</p>
</body>
</html>
"""

HTML = "text/html"


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """The container's program; other words than nginx's own are a command, as with the image's entry point."""
    return _run(argv, env, PORT)


def unprivileged(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """The same for the image that needs no root."""
    return _run(argv, env, UNPRIVILEGED_PORT)


def _run(argv: Sequence[str], env: Mapping[str, str], port: int) -> int:
    if argv and argv[0].rpartition("/")[2] != "nginx" and not argv[0].startswith("-"):
        return system.main(argv, env)
    root = Path(env.get("LABKIT_ROOT", "/"))
    if configured := next(_settings(root), None):
        print(
            f"nginx: [emerg] the sandbox's nginx reads no configuration, and /{configured.relative_to(root)} is one; "
            "it serves the files of /usr/share/nginx/html",
            file=sys.stderr,
        )
        return 1
    _welcome(root / FOLDER)
    return server.serve(lambda request: answer(request, root / FOLDER), env, port=port)


def _settings(root: Path) -> Iterator[Path]:
    for name in SETTINGS:
        place = root / name
        yield from [place] if place.is_file() else sorted(place.glob("*")) if place.is_dir() else []


def _welcome(folder: Path) -> None:
    """What the image brings, unless a volume is in its place."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not any(folder.iterdir()):
            (folder / "index.html").write_text(WELCOME)
    except OSError:
        return


def answer(request: Request, folder: Path) -> Response:
    """A file of the folder, or the page for a refusal."""
    if request.method not in ("GET", "HEAD"):
        return _page(405)
    path = PurePosixPath(os.path.normpath("/" + request.path.lstrip("/")))
    place = folder.joinpath(*path.parts[1:])
    try:
        mode = place.stat().st_mode
        if stat.S_ISDIR(mode):
            if not request.path.endswith("/"):
                where = f"http://{request.headers.get('host', '')}{path}/"
                return _page(301, fields=[("Location", where)])
            place = place / "index.html"
            if not place.exists():
                return _page(403)
        kind = mimetypes.guess_type(place.name)[0] or "application/octet-stream"
        return Response(body=place.read_bytes(), content_type=kind, fields=[("Server", VERSION)])
    except PermissionError:
        return _page(403)
    except OSError:
        return _page(404)


TITLES = {403: "403 Forbidden", 404: "404 Not Found", 405: "405 Not Allowed", 301: "301 Moved Permanently"}


def _page(status: int, *, fields: Sequence[tuple[str, str]] = ()) -> Response:
    title = TITLES.get(status) or f"{status} {REASONS[status]}"
    lines = [
        "<html>",
        f"<head><title>{title}</title></head>",
        "<body>",
        f"<center><h1>{title}</h1></center>",
        f"<hr><center>{VERSION}</center>",
        "</body>",
        "</html>",
        "",
    ]
    body = "\r\n".join(lines).encode()
    return Response(status=status, body=body, content_type=HTML, fields=[("Server", VERSION), *fields])
