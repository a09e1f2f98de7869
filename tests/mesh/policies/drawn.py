"""AuthorizationPolicies and callers drawn at random, from words that meet each other often."""

import random
from collections.abc import Callable, Sequence
from typing import Any

from labkit.kube.resources import Object
from tests.mesh.policies.enforcing import MUTUAL, PLAIN, Call

ACCOUNTS = ("default/curl", "other/curl", "default/bookinfo-reviews")
PRINCIPALS = (
    *(f"cluster.local/ns/{a.replace('/', '/sa/')}" for a in ACCOUNTS),
    "*", "cluster.local/ns/default/*", "*/sa/curl", "foreign.local/ns/default/sa/curl",
)  # fmt: skip
PATHS = ("/", "/a", "/a/b", "/a/b/c", "/admin", "/admin/x", "/A", "/t/1/x", "/b/c/")
ODD_PATHS = (
    "//admin", "/a//b", "/a/./b", "/a/../admin", "/admin;x", "/%61dmin", "/a%2fb", "/a%2Fb", "/admin/%2e%2e/a",
    "/a/b?x=/admin", "/..", "/a/..", "/adm%69n/x", "/a\\b", "/t/%7e/x", "/admin%3b",
)  # fmt: skip
TOKENS = ("none", "jason", "kate", "forged", "expired", "unsigned", "foreign issuer")

SOURCES: dict[str, Sequence[str]] = {
    "principals": PRINCIPALS,
    "namespaces": ("default", "other", "d*", "*her", "*"),
    "serviceAccounts": ("curl", "other/curl", "bookinfo-reviews"),
    "requestPrincipals": ("*", "lessons@labkit.example/jason", "lessons@labkit.example/*", "*/kate", "*son"),
    "ipBlocks": ("127.0.0.0/8", "10.0.0.0/8"),
    "remoteIpBlocks": ("192.0.2.0/24", "198.51.100.7", "127.0.0.0/8"),
}
OPERATIONS: dict[str, Sequence[str]] = {
    "methods": ("GET", "POST", "P*", "*"),
    "paths": ("/a", "/a/*", "*/b", "/admin*", "*", "/t/{*}/x", "/a/{**}", "/{*}", "/{*}/b/{**}"),
    "hosts": ("web", "WEB", "*.example.com", "shop.*", "*"),
    "ports": (str(PLAIN), str(MUTUAL), "80"),
}
KEYS: dict[str, Sequence[str]] = {
    "request.headers[x-kind]": ("gold", "g*", "*", "*ver"),
    "source.ip": ("127.0.0.0/8", "10.1.2.3"),
    "source.namespace": ("default", "other"),
    "source.principal": PRINCIPALS,
    "source.serviceAccount": ("default/curl", "other/curl"),
    "request.auth.principal": ("lessons@labkit.example/jason", "*"),
    "request.auth.audiences": ("shop", "s*"),
    "request.auth.presenter": ("app",),
    "request.auth.claims[groups]": ("admins", "users", "*"),
    "request.auth.claims[realm][role]": ("boss", "b*"),
    "request.auth.claims[scope]": ("read", "write"),
    "destination.port": (str(MUTUAL),),
    "destination.ip": ("127.0.0.0/8",),
}


def policy(number: int, action: str, chance: random.Random) -> Object:
    """One; about every tenth is empty."""
    rules = [_rule(chance) for _ in range(chance.choice((0, 1, 1, 1, 2, 3)) or (action == "DENY"))]
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": f"p{number}", "namespace": "default"},
        "spec": {"action": action, "rules": rules},
    }


def _rule(chance: random.Random) -> dict[str, Any]:
    rule: dict[str, Any] = {}
    if chance.random() < 0.6:
        rule["from"] = [{"source": _part(SOURCES, chance)} for _ in range(chance.choice((1, 1, 2)))]
    if chance.random() < 0.6:
        rule["to"] = [{"operation": _part(OPERATIONS, chance)} for _ in range(chance.choice((1, 1, 2)))]
    if chance.random() < 0.4:
        rule["when"] = [_condition(chance) for _ in range(chance.choice((1, 1, 2)))]
    return rule


def _part(fields: dict[str, Sequence[str]], chance: random.Random) -> dict[str, list[str]]:
    part: dict[str, list[str]] = {}
    for field in chance.sample(list(fields), chance.choice((1, 1, 2))):
        is_not = chance.random() < 0.3
        name = f"not{field[0].upper()}{field[1:]}" if is_not else field
        part[name] = chance.sample(fields[field], min(len(fields[field]), chance.choice((1, 2))))
    return part


def _condition(chance: random.Random) -> dict[str, Any]:
    key = chance.choice(list(KEYS))
    values = chance.sample(KEYS[key], min(len(KEYS[key]), chance.choice((1, 2))))
    return {"key": key, "notValues" if chance.random() < 0.3 else "values": values}


def call(case: int, chance: random.Random, source: Callable[[int], str], tokens: dict[str, str]) -> tuple[Call, str]:
    """One request, and which token it carries."""
    token = chance.choice(TOKENS) if chance.random() < 0.5 else "none"
    headers = [("Authorization", f"Bearer {tokens[token]}")] if token != "none" else []
    if chance.random() < 0.4:
        headers.append(("x-kind", chance.choice(("gold", "silver", "green"))))
    if chance.random() < 0.2:
        headers.append(("X-Forwarded-For", chance.choice(("192.0.2.9", "198.51.100.7", "203.0.113.5"))))
    return (
        Call(
            case=case,
            account=chance.choice(("", *ACCOUNTS)),
            source=source(chance.choice((3, 4))),
            method=chance.choice(("GET", "GET", "POST", "PUT", "DELETE")),
            host=chance.choice(("web", "Web", "a.example.com", "shop.test", "web:8080")),
            path=chance.choice(PATHS if chance.random() < 0.7 else ODD_PATHS),
            headers=tuple(headers),
        ),
        token,
    )
