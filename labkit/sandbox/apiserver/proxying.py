"""``…/services/NAME/proxy/…`` and ``…/pods/NAME/proxy/…``: HTTP to what runs in the cluster, through the API server.

As in a real server the credentials of the caller end here, and a certificate of the other side is not looked at. Links
in pages are passed on as they are, and upgrades are not.
"""

import ssl
from collections.abc import Mapping

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import endpoints, refusing
from labkit.sandbox.apiserver.calls import Call
from labkit.sandbox.apiserver.core import Core

CONNECT_WITHIN = 5.0
"""Seconds."""

SCHEMES = ("", "http", "https")
HOP_BY_HOP = frozenset(
    {
        "authorization",
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that belong to one of the two connections, and the caller's credentials."""


async def forward(core: Core, request: web.BaseRequest, call: Call) -> web.StreamResponse:
    """Ask the pod or an endpoint of the Service, and pass its answer on as it comes."""
    scheme, name, port = split(call.name)
    path = request.rel_url.raw_path
    _, is_below, rest = path.partition(f"/{call.served.plural}/")[2].partition("/proxy/")
    if not is_below and request.method in ("GET", "HEAD"):
        # Links of a page are relative to its folder.
        return web.Response(status=301, headers={"Location": f"{path}/{_query(request)}"})
    if "upgrade" in request.headers:
        raise refusing.bad_request("the sandbox passes no upgrade on; kubectl port-forward does")
    address, number = _place(core, call, name, port)
    url = f"{scheme or 'http'}://{address}:{number}/{rest}{_query(request)}"
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_WITHIN)
    body = call.body if isinstance(call.body, bytes) else b""
    try:
        async with (
            aiohttp.ClientSession(trust_env=False, auto_decompress=False, timeout=timeout) as session,
            session.request(
                request.method,
                URL(url, encoded=True),
                headers=passed(request.headers),
                data=body or None,
                allow_redirects=False,
                ssl=_unverified() if scheme == "https" else True,
            ) as reply,
        ):
            answer = web.StreamResponse(status=reply.status, reason=reply.reason, headers=passed(reply.headers))
            await answer.prepare(request)
            async for chunk in reply.content.iter_any():
                await answer.write(chunk)
            await answer.write_eof()
            return answer
    except (aiohttp.ClientConnectionError, TimeoutError) as e:
        raise refusing.unavailable(f"error trying to reach service: {e}") from e


def split(reference: str) -> tuple[str, str, str]:
    """``https:reviews:9080`` as scheme, name and port; the first and the last may be left out."""
    parts = reference.split(":")
    if len(parts) == 1:
        parts = ["", *parts, ""]
    elif len(parts) == 2:
        parts = ["", *parts]
    if len(parts) != 3 or parts[0] not in SCHEMES or not parts[1]:
        raise refusing.bad_request(f"invalid service request {refusing.quoted(reference)}")
    return parts[0], parts[1], parts[2]


def _place(core: Core, call: Call, name: str, port: str) -> tuple[str, int]:
    pod: Object = core.find(call.served, call.namespace, name).object
    if call.served.plural == "services":
        try:
            return endpoints.of_service(core, call.namespace, name, port)
        except LookupError as e:
            raise refusing.unavailable(str(e.args[0])) from e
    address = (pod.get("status") or {}).get("podIP")
    if not address:
        raise refusing.unavailable(f"pod {name} has no address yet")
    declared = (p["containerPort"] for c in pod["spec"]["containers"] for p in c.get("ports") or [])
    number = int(port) if port.isdigit() else next(declared, 80)
    return str(address), number


def passed(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """The headers that go on to the other side."""
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in HOP_BY_HOP)


def _query(request: web.BaseRequest) -> str:
    return f"?{request.rel_url.raw_query_string}" if request.query_string else ""


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
