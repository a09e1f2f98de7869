"""The debug pages."""

import asyncio
import json
from collections.abc import Awaitable, Callable

from aiohttp import test_utils, web

from labkit.sandbox.istiod import ads, debug, progress
from tests.sandbox.istiod import proxies
from tests.sandbox.istiod.proxies import cluster, connected

RULE = {
    "kind": "VirtualService",
    "metadata": {"name": "reviews", "namespace": "default", "resourceVersion": "5"},
}
LIVE = "/debug/labkit/live"


def page(use: Callable[[test_utils.TestClient, ads.Discovery, progress.Progress], Awaitable[None]]) -> None:
    """Open the pages of a mesh without proxies."""

    async def scene() -> None:
        discovery = ads.Discovery(proxies.proxy_of, lambda _: {}, lambda _: None)
        tracker = progress.Progress()
        app = web.Application()
        app.add_routes(debug.routes(discovery, tracker, dict, lambda: debug.takers(discovery)))
        async with test_utils.TestClient(test_utils.TestServer(app)) as client:
            await use(client, discovery, tracker)

    asyncio.run(scene())


def test_a_question_without_an_object_says_how_to_ask() -> None:
    async def use(client: test_utils.TestClient, *_: object) -> None:
        async with client.get(LIVE) as reply:
            assert reply.status == 400
            assert "VirtualService/default/reviews" in await reply.text()

    page(use)


def test_an_answer_waits_for_the_object() -> None:
    async def use(client: test_utils.TestClient, discovery: ads.Discovery, tracker: progress.Progress) -> None:
        asked = {"object": "VirtualService/default/reviews", "resourceVersion": "5", "wait": "5"}
        question = asyncio.create_task(_json(client, LIVE, asked))
        await asyncio.sleep(0.02)
        assert not question.done()
        tracker.note(RULE)
        tracker.pushed(1)
        discovery.publish()
        assert (await question)["included"] is True

    page(use)


def test_an_answer_comes_when_the_time_is_over() -> None:
    async def use(client: test_utils.TestClient, *_: object) -> None:
        result = await _json(client, LIVE, {"object": "VirtualService/default/reviews", "wait": "0.05"})
        assert result["included"] is False

    page(use)


def test_a_refusal_is_told_with_the_objects_it_is_put_down_to() -> None:
    async def scene() -> None:
        discovery = ads.Discovery(proxies.proxy_of, lambda _: {"clusters": {"a": cluster("a")}}, lambda _: None)
        async with connected(discovery) as envoy:
            await envoy.ask("clusters")
            await envoy.answer(await envoy.heard(), error="no such thing")
            await proxies.until(lambda: bool(discovery.streams["web.default"].refusals))
            reasons = debug.why(discovery, lambda text: [f"VirtualService/default/{text[:2]}"], {"bad": [RULE]})
            assert reasons == {
                "no such thing": ["VirtualService/default/no"],
                "bad": ["VirtualService/default/reviews"],
            }

    asyncio.run(scene())


def test_syncz_tells_what_each_proxy_was_sent_and_took_and_no_contents() -> None:
    async def scene() -> None:
        resources = {"clusters": {"a": cluster("a")}, "secrets": {"default": b"PRIVATE"}}
        discovery = ads.Discovery(proxies.proxy_of, lambda _: resources, lambda _: None)
        async with connected(discovery) as envoy:
            await envoy.ask("clusters")
            response = await envoy.heard()
            entry = debug.entry("web.default", discovery.streams["web.default"])
            assert entry["cluster_sent"] == response.nonce
            assert entry["cluster_acked"] == ""
            await envoy.answer(response)
            await proxies.until(lambda: debug.entry("x", discovery.streams["web.default"])["cluster_acked"] != "")
            assert "PRIVATE" not in json.dumps(debug.entry("x", discovery.streams["web.default"]))

    asyncio.run(scene())


async def _json(client: test_utils.TestClient, path: str, query: dict[str, str]) -> dict[str, object]:
    async with client.get(path, params=query) as reply:
        result: dict[str, object] = await reply.json()
        return result
