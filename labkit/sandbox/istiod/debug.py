"""istiod's debug pages on port 15014, plain HTTP and JSON. They tell names and numbers, never contents: no secrets.

``GET /debug/syncz``: a list, one entry a connected proxy, in the form of istiod's own page::

    {"proxy": "reviews-v1-….default", "proxy_type": "sidecar", "istio_version": "1.31.1", "cluster_id": "Kubernetes",
     "cluster_sent": NONCE, "cluster_acked": NONCE, and the same for listener, route, endpoint, extensionconfig, secret;
     "cluster_bytes": 512, "cluster_ms": 3.1, and the same for the other types that were sent: the last response's size
     and how long the proxy took to answer it,
     "push": 17, "live": 17, "refusals": {"listeners": "why"}, "since": 1764000000.0}

A nonce is empty where nothing was sent, or taken, yet. ``push`` numbers the snapshots that istiod has published, from 1
on; ``live`` is the last one that the proxy has taken whole; ``since`` is when it connected, in Unix seconds.

``GET /debug/labkit/live?object=KIND/NAMESPACE/NAME[&resourceVersion=N][&gone=true][&wait=SECONDS]``: how far an
object's newest version has come, or that one or a newer one, or its deletion. With ``wait`` (at most 30) the answer
comes when it is live or refused everywhere, or when the time is over::

    {"included": true, "deleted": false, "resourceVersion": "812", "push": 17,
     "proxies": 7, "live": 7, "waiting": [], "refusing": [], "milliseconds": 34.2, "why": []}

``why`` has an entry for each refusal that stands, ``{"text": "what Envoy says", "objects":
["VirtualService/default/ratings"]}`` with the objects it is put down to. Those that are put down to the object asked
for are told alone; there may be none, for a proxy takes a resource whole or not at all. ``included`` is false while
istiod has not published it. ``proxies`` counts all that are connected, ``live`` those that have taken that push whole;
``waiting`` and ``refusing`` name the others. ``milliseconds`` run from when istiod heard of the object until the last
proxy had taken it; null until then. Kinds: Istio's, the Gateway API's, Service, EndpointSlice, ConfigMap.

``GET /debug/labkit/pushes``: ``{"push": 17, "proxies": 7, "live": 7, "why": []}``, the newest snapshot, who has it, and
each refusal that stands, as above.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import orjson
from aiohttp import web

from labkit.kube.resources import Object
from labkit.mesh import model
from labkit.mesh.ambient import tables
from labkit.sandbox.istiod import ads, attribution, progress

NAMES = {
    "clusters": "cluster",
    "listeners": "listener",
    "routes": "route",
    "endpoints": "endpoint",
    "extensions": "extensionconfig",
    "secrets": "secret",
}
"""Our word for a kind → the word of istiod's page."""

LONGEST_WAIT = 30.0


Refuses = Callable[[str], Sequence[Object]]
"""``pod.namespace`` → the objects that this proxy does without."""


def takers(discovery: ads.Discovery, refuses: Refuses = lambda _: ()) -> list[progress.Taker]:
    """The connected proxies, and how far they are."""
    return [
        progress.Taker(
            name=name,
            push=stream.live,
            refused=bool(stream.refusals),
            refuses=frozenset(map(progress.key_of, refuses(name))),
        )
        for name, stream in sorted(discovery.streams.items())
    ]


def entry(name: str, stream: ads.Stream) -> Object:
    """One proxy's line of ``/debug/syncz``."""
    row: Object = {
        "proxy": name,
        "proxy_type": stream.proxy.role,
        "istio_version": stream.proxy.version or model.ISTIO_VERSION,
        "cluster_id": "Kubernetes",
        "push": stream.push,
        "live": stream.live,
        "refusals": stream.refusals,
        "since": stream.since,
    }
    for kind, word in NAMES.items():
        subscription = stream.subscriptions.get(kind)
        row[f"{word}_sent"] = subscription.last if subscription else ""
        row[f"{word}_acked"] = subscription.acked if subscription else ""
        if subscription and subscription.last:
            row[f"{word}_bytes"] = subscription.size
            row[f"{word}_ms"] = None if subscription.took is None else round(subscription.took * 1000, 1)
    return row


def why(
    discovery: ads.Discovery,
    blamed: Callable[[str], Sequence[str]],
    standing: Mapping[str, Sequence[Object]] = MappingProxyType({}),
) -> dict[str, list[str]]:
    """Each refusal that stands, with the objects it is put down to; ``standing``: what proxies do without."""
    texts = {text for stream in discovery.streams.values() for text in stream.refusals.values()}
    reasons = {text: list(map(attribution.name_of, objects)) for text, objects in standing.items()}
    return reasons | {text: list(blamed(text)) for text in texts}


Why = Callable[[], Mapping[str, Sequence[str]]]
"""Text of each refusal that stands → the objects it is put down to, ``KIND/NAMESPACE/NAME``."""

Takers = Callable[[], Sequence[progress.Taker]]


Ambient = Callable[[], tables.Tables]


def ambient(told: Ambient) -> web.RouteDef:
    """``GET /debug/ambientz``: ztunnel's tables, ``{"workloads": [...], "services": [...], "policies": [...]}``."""

    async def page(_: web.Request) -> web.Response:
        now = told()
        every = {"workloads": now.workloads, "services": now.services, "policies": now.policies}
        return _answer({kind: list(entries.values()) for kind, entries in every.items()})

    return web.get("/debug/ambientz", page)


def routes(discovery: ads.Discovery, pushed: progress.Progress, why: Why, takers: Takers) -> list[web.RouteDef]:
    """All pages."""

    def reasons(asked: str = "") -> list[Object]:
        every = sorted(why().items())
        own = [(text, objects) for text, objects in every if asked in objects]
        return [{"text": text, "objects": list(objects)} for text, objects in own or every]

    async def syncz(_: web.Request) -> web.Response:
        return _answer([entry(name, stream) for name, stream in sorted(discovery.streams.items())])

    async def pushes(_: web.Request) -> web.Response:
        proxies = takers()
        live = sum(t.push == discovery.pushes and not t.refused and not t.refuses for t in proxies)
        report: Object = {"push": discovery.pushes, "proxies": len(proxies), "live": live}
        return _answer(report | {"why": reasons()})

    async def live(request: web.Request) -> web.Response:
        parts = request.query.get("object", "").split("/")
        if len(parts) != 3:
            raise web.HTTPBadRequest(text="object=KIND/NAMESPACE/NAME, for instance VirtualService/default/reviews\n")
        kind, namespace, name = parts
        try:
            seconds = min(float(request.query.get("wait", 0)), LONGEST_WAIT)
        except ValueError as e:
            raise web.HTTPBadRequest(text="wait is a number of seconds\n") from e
        version = request.query.get("resourceVersion", "")
        gone = request.query.get("gone") == "true"
        report = await until_live(discovery, takers, pushed, (kind, namespace, name), version, seconds, gone=gone)
        return _answer(report | {"why": reasons("/".join(parts))})

    return [
        web.get("/debug/syncz", syncz),
        web.get("/debug/labkit/live", live),
        web.get("/debug/labkit/pushes", pushes),
    ]


async def until_live(
    discovery: ads.Discovery,
    takers: Takers,
    pushed: progress.Progress,
    key: progress.Key,
    version: str,
    seconds: float,
    *,
    gone: bool = False,
) -> Object:
    """The report on an object, at once or when nothing more is to be waited for."""
    end = time.monotonic() + seconds
    while True:
        left, push = end - time.monotonic(), pushed.push_of(key, version, gone=gone)
        if left <= 0 or (push is not None and push <= discovery.reached):
            return pushed.report(key, takers(), version=version, gone=gone)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left):
                await discovery.until_change()


def _answer(document: object) -> web.Response:
    return web.Response(body=orjson.dumps(document), content_type="application/json")
