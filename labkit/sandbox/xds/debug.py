"""istiod's debug pages on port 15014: who is connected and what it has taken."""

import json

from aiohttp import web

from labkit.sandbox.xds import ads


def routes(discovery: ads.Discovery) -> list[web.RouteDef]:
    """``/debug/syncz``: one entry a proxy."""

    async def syncz(_: web.Request) -> web.Response:
        found = [
            {
                "proxy": name,
                "live": stream.is_live,
                "push": stream.push,
                "refusals": stream.refusals,
                "since": stream.since,
            }
            for name, stream in sorted(discovery.streams.items())
        ]
        return web.Response(text=json.dumps(found), content_type="application/json")

    return [web.get("/debug/syncz", syncz)]
