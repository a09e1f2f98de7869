"""How a proxy reads a path before anybody decides by it: dots resolved, and what needs no escape written plainly."""

import re

_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9\-._~]")
_DOTS = {".": ".", "%2e": ".", "%2E": "."}


def normalized(path: str, mode: str = "BASE") -> str | None:
    """The path that rules see, without its query; None where the proxy answers 400 to it.

    ``mode`` is the mesh's ``pathNormalization``. Envoy's canonical form is that of the URL standard as Chromium has it.
    """
    path = path.partition("?")[0].partition("#")[0]
    if mode == "NONE":
        return path
    if mode == "DECODE_AND_MERGE_SLASHES":
        path = re.sub("%2[fF]|%5[cC]", lambda match: "/" if match[0][1] == "2" else "\\", path)
    if not path.startswith("/") or re.search(r"%(?![0-9A-Fa-f]{2})", path) or "%00" in path:
        return None
    path = _resolved(path.replace("\\", "/"))
    path = _ESCAPE.sub(_plain, path)
    return re.sub("/+", "/", path) if mode.endswith("MERGE_SLASHES") else path


def _plain(match: "re.Match[str]") -> str:
    character = chr(int(match[1], 16))
    return character if _UNRESERVED.fullmatch(character) else match[0]


def _resolved(path: str) -> str:
    """The path without ``.`` and ``..``."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for number, segment in enumerate(segments):
        dots = re.sub("%2[eE]", ".", segment)
        if dots == "..":
            del kept[-1:]
        elif dots != ".":
            kept.append(segment)
            continue
        if number == len(segments) - 1:
            kept.append("")
    return "/" + "/".join(kept)
