"""From a URL to what is asked: which resource, which object, how to answer."""

from dataclasses import dataclass
from urllib.parse import unquote

from aiohttp import web

from labkit.sandbox.apiserver import registry
from labkit.sandbox.apiserver.objects import decoding, refusals


@dataclass(frozen=True, kw_only=True)
class Target:
    """A resource path taken apart."""

    served: registry.Served
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""
    """What follows ``proxy/``."""


def target(kinds: registry.Registry, path: str) -> Target | None:
    """``/apis/apps/v1/namespaces/a/deployments/web/scale``; None when nothing is served there."""
    parts = [unquote(p) for p in path.strip("/").split("/")]
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    served = kinds.find(group, version, rest[0])
    if served is None or (namespace and not served.schema.namespaced) or len(rest) < 1:
        return None
    return Target(
        served=served,
        namespace=namespace,
        name=rest[1] if len(rest) > 1 else "",
        subresource=rest[2] if len(rest) > 2 else "",
        rest="/".join(rest[3:]),
    )


def wants(request: web.Request) -> str:
    """``Table``, ``PartialObjectMetadata``, ``PartialObjectMetadataList``, or nothing for plain objects."""
    for choice in request.headers.get("Accept", "").split(","):
        words = dict(w.strip().split("=", 1) for w in choice.split(";")[1:] if "=" in w)
        if choice.strip().startswith("application/json"):
            return words.get("as", "")
    return ""


def is_true(request: web.Request, name: str) -> bool:
    """A boolean query parameter."""
    return request.query.get(name, "false").lower() in ("true", "1", "t")


def is_dry(request: web.Request) -> bool:
    """``dryRun=All``; 422 for anything else."""
    values = request.query.getall("dryRun", [])
    if not values:
        return False
    if values != ["All"]:
        shown = "[" + ",".join(f'"{v}"' for v in values) + "]"
        message = f'Unsupported value: {shown}: supported values: "All"'
        raise refusals.refusal(422, "Invalid", f'{{"dryRun"}} is invalid: dryRun: {message}')
    return True


def level(request: web.Request) -> str:
    """How unknown fields are treated."""
    return request.query.get("fieldValidation") or decoding.WARN


def manager(request: web.Request) -> str:
    """The field manager: the one named, or the first word of the user agent."""
    return request.query.get("fieldManager") or request.headers.get("User-Agent", "unknown").split("/")[0]
