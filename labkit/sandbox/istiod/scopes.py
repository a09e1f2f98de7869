"""Log levels of istiod, read and set while it runs: ``istioctl admin log`` asks ControlZ on port 9876 of the pod.

``GET /scopej/`` lists the scopes, ``GET /scopej/NAME`` has one, ``PUT /scopej/NAME`` sets its ``output_level``.
"""

import logging
from collections.abc import Mapping
from typing import Any

from aiohttp import web

PORT = 9876

LEVELS: Mapping[str, int] = {
    "none": logging.CRITICAL + 10,
    "fatal": logging.CRITICAL,
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}
"""Istio's words → Python's numbers."""

SCOPES: Mapping[str, tuple[str, str]] = {
    "ads": ("labkit.sandbox.istiod.ads", "ads debugging"),
    "authn": ("labkit.sandbox.istiod.authentication", "authentication of proxies"),
    "ca": ("labkit.sandbox.istiod.identities", "certificate authority"),
    "default": ("istiod", "Unscoped logging messages."),
    "gateway": ("labkit.sandbox.istiod.gatewaycontroller", "the controller of the Gateway API"),
    "model": ("labkit.mesh", "translation of objects"),
    "status": ("labkit.sandbox.istiod.complaints", "what objects are told"),
    "trust": ("labkit.sandbox.istiod.trust", "roots and their distribution"),
}
"""Scope → the logger behind it, and what it is about."""


def routes() -> list[web.RouteDef]:
    """The pages."""
    return [
        web.get("/scopej/", _list),
        web.get("/scopej", _list),
        web.get("/scopej/{scope}", _one),
        web.put("/scopej/{scope}", _set),
    ]


def entry(scope: str) -> dict[str, Any]:
    """One scope, as ControlZ shows it."""
    logger, description = SCOPES[scope]
    return {
        "name": scope,
        "description": description,
        "output_level": word(logging.getLogger(logger).getEffectiveLevel()),
        "stack_trace_level": "none",
        "log_callers": False,
    }


def word(number: int) -> str:
    """Istio's word for a level."""
    return next((name for name, level in LEVELS.items() if number >= level), "debug")


async def _list(_: web.Request) -> web.Response:
    return web.json_response([entry(scope) for scope in SCOPES])


async def _one(request: web.Request) -> web.Response:
    return web.json_response(entry(_scope(request)))


async def _set(request: web.Request) -> web.Response:
    scope = _scope(request)
    level = str((await request.json()).get("output_level", ""))
    if level not in LEVELS:
        raise web.HTTPBadRequest(text=f"level {level!r} is none of {', '.join(LEVELS)}\n")
    logging.getLogger(SCOPES[scope][0]).setLevel(LEVELS[level])
    return web.Response(status=202)


def _scope(request: web.Request) -> str:
    scope = request.match_info["scope"]
    if scope not in SCOPES:
        raise web.HTTPBadRequest(text=f"unknown scope {scope}; there are {', '.join(SCOPES)}\n")
    return scope
