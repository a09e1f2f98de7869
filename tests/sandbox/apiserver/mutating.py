"""Requests and objects that nobody writes: real ones, changed at random places."""

import json
import random
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
JSON_PATCH, APPLY = "application/json-patch+json", "application/apply-patch+yaml"
TYPES = (MERGE, STRATEGIC, JSON_PATCH, APPLY, "application/json", "application/yaml", "text/plain", "", "ü")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
DRY = "dryRun=All&fieldManager=m"

ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 5, 1.5, 2**31, 2**63, 10**30, 1e300, "", " ", "x", "a/b/c", "ü", "\0", "\ud800", "x" * 300),
    *("1", "-1", "100m", "2026-01-01T00:00:00Z", "10.0.0.1", "v1", "Pod", "../..", "%", "{{", "$(A)", "[", "*", "0"),
    *([], [None], [5], [[]], ["a", "a"], {}, {"": None}, {"a": 5}, {"a": {"b": []}}, {"$patch": "replace"}),
)
OPTIONS = (
    *("dryRun=All", "dryRun=x", "fieldValidation=Strict", "fieldValidation=x", "fieldManager=%C3%BC", "force=true"),
    *("limit=1", "limit=x", "limit=-1", "continue=x", "labelSelector=a%3Db", "labelSelector=%2C", "labelSelector=a+in"),
    *("fieldSelector=metadata.name%3Da", "fieldSelector=%3D", "resourceVersion=0", "resourceVersion=x", "pretty=1"),
    *("watch=1&timeoutSeconds=1", "timeoutSeconds=x", "gracePeriodSeconds=-1", "propagationPolicy=x", "a=%FF"),
    *("resourceVersionMatch=Exact", "sendInitialEvents=1", "includeObject=x", "tailLines=-1", "container=%00"),
)
ACCEPTS = ("*/*", "x", "", "application/yaml", "application/json;as=Table;v=v1;g=meta.k8s.io", "a;b;c=d,e", "ü")


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request; bytes where a header is no ASCII."""

    method: str
    path: str
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def url(self) -> str:
        """The path and the query, percent-encoded where that is needed to send them."""
        path = urllib.parse.quote(self.path, safe="/%:~._-", errors="replace")
        return f"{path}{self.query and '?' + self.query}"


def mutated(request: Request, rng: random.Random) -> Request:
    """The request after one to three changes."""
    for _ in range(rng.randint(1, 3)):
        request = rng.choice(_CHANGES)(request, rng)
    return request


def _method(request: Request, rng: random.Random) -> Request:
    return replace(request, method=rng.choice(METHODS))


def _path(request: Request, rng: random.Random) -> Request:
    parts = request.path.split("/")
    at = rng.randrange(1, len(parts))
    odd = rng.choice(("", "..", ".", "x", "ü", "%00", "%FF", "status", "scale", "proxy", "a" * 300, "a:b:c"))
    parts[at : at + rng.randint(0, 1)] = [odd]
    return replace(request, path="/".join(parts))


def _query(request: Request, rng: random.Random) -> Request:
    return replace(request, query="&".join(filter(None, (request.query, rng.choice(OPTIONS)))))


def _header(request: Request, rng: random.Random) -> Request:
    name, value = rng.choice(
        [
            ("Content-Type", rng.choice(TYPES)),
            ("Accept", rng.choice(ACCEPTS)),
            ("Content-Encoding", rng.choice(("gzip", "br", "x"))),
            ("Impersonate-User", rng.choice(("ü", "\xff", "a b", "system:serviceaccount:a", "x" * 2000))),
            ("Impersonate-Group", rng.choice(("ü", "\xff", "system:masters", ""))),
            ("Impersonate-Extra-%zz", "x"),
            (
                "Authorization",
                rng.choice(("Bearer \xff", "Bearer a.b.c", "Bearer eyJhbGciOiJub25lIn0.e30.", "Basic x")),
            ),
            ("User-Agent", rng.choice(("\xff", "ü" * 200, "", "/"))),
            ("Origin", rng.choice(("null", "\xff", "http://[", "https://127.0.0.1"))),
            ("If-None-Match", "x"),
        ]
    )
    return replace(request, headers=request.headers | {name: value})


def _bytes(request: Request, rng: random.Random) -> Request:
    body = bytearray(request.body or b"{}")
    at = rng.randrange(len(body))
    match rng.randrange(4):
        case 0:
            body[at] = rng.randrange(256)
        case 1:
            del body[at : at + rng.randint(1, 9)]
        case 2:
            body[at:at] = body[at : at + rng.randint(1, 40)]
        case _:
            body[at:at] = rng.choice(
                (b"\0", b"\xff", b"\\ud800", b"[" * 400, b'{"a":' * 300, b"&a *a", b"<<: ", b"---\n")
            )
    return replace(request, body=bytes(body))


def _value(request: Request, rng: random.Random) -> Request:
    try:
        value = json.loads(request.body or b"{}")
    except ValueError:
        return _bytes(request, rng)
    return replace(request, body=json.dumps(mutated_value(value, rng)).encode("utf-8", "replace"))


_CHANGES: tuple[Callable[[Request, random.Random], Request], ...] = (
    *(_method, _path, _query, _header, _bytes, _bytes, _value, _value, _value),
)


def mutated_value(value: Any, rng: random.Random) -> Any:
    """Parsed JSON with one place changed: another value, a missing, doubled or renamed one."""
    places = list(_places(value, ()))
    if not places:
        return rng.choice(ODD)
    *above, last = rng.choice(places)
    copy = json.loads(json.dumps(value))
    parent = copy
    for step in above:
        parent = parent[step]
    match rng.randrange(5):
        case 0:
            del parent[last]
        case 1 if isinstance(parent, list):
            parent.append(parent[last])
        case 1:
            parent[str(rng.choice(("", "x", "ü", "metadata", "spec", "name", "kind")))] = parent[last]
        case _:
            parent[last] = rng.choice(ODD)
    return copy


def _places(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from _places(item, (*path, key))


def ways(path: str, obj: dict[str, Any], rng: random.Random) -> Request:
    """One of the ways to send an object to where its kind is served."""
    name = obj.get("metadata", {}).get("name") if isinstance(obj.get("metadata"), dict) else None
    body = json.dumps(obj).encode("utf-8", "replace")
    one = f"{path}/{name if isinstance(name, str) and name else 'x'}"
    match rng.randrange(5):
        case 0:
            return Request(method="PATCH", path=one, query=DRY, headers={"Content-Type": APPLY}, body=body)
        case 1:
            return Request(method="PUT", path=one, query=DRY, headers={"Content-Type": "application/json"}, body=body)
        case 2:
            headers = {"Content-Type": rng.choice((MERGE, STRATEGIC))}
            return Request(method="PATCH", path=one, query=DRY, headers=headers, body=body)
        case _:
            return Request(method="POST", path=path, query=DRY, headers={"Content-Type": "application/json"}, body=body)
