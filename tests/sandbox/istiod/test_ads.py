"""Discovery over delta ADS, asked by a client over loopback."""

from typing import Any

import grpc
import pytest

from labkit.sandbox.istiod import ads, session
from tests.sandbox.istiod import proxies
from tests.sandbox.istiod.proxies import cluster, connected, names, play, until


class Mesh:
    """What every proxy should have, and what was refused."""

    def __init__(self, *, again_after: float = 60.0, **resources: dict[str, bytes]) -> None:
        self.resources = {kind: resources.get(kind, {}) for kind in session.ORDER}
        self.refusals: list[ads.Refusal] = []
        self.discovery = ads.Discovery(
            proxies.proxy_of, lambda _: self.resources, self.refusals.append, again_after=again_after
        )

    def publish(self, kind: str, **resources: bytes) -> None:
        self.resources[kind] = resources
        self.discovery.publish()

    @property
    def stream(self) -> ads.Stream:
        return self.discovery.streams["web.default"]


def test_a_question_is_answered_even_if_there_is_nothing() -> None:
    async def scene() -> None:
        async with connected(Mesh().discovery) as envoy:
            await envoy.ask("clusters")
            assert names(await envoy.heard()) == set()

    play(scene)


def test_only_what_changed_is_sent() -> None:
    async def scene() -> None:
        mesh = Mesh(clusters={"a": cluster("a"), "b": cluster("b")})
        async with connected(mesh.discovery) as envoy:
            await envoy.ask("clusters")
            first = await envoy.heard()
            assert names(first) == {"a", "b"}
            await envoy.answer(first)
            mesh.publish("clusters", a=cluster("a"), b=cluster("b", timeout="2s"))
            assert names(await envoy.heard()) == {"b"}

    play(scene)


def test_what_is_gone_is_removed() -> None:
    async def scene() -> None:
        mesh = Mesh(clusters={"a": cluster("a"), "b": cluster("b")})
        async with connected(mesh.discovery) as envoy:
            await envoy.subscribed("clusters")
            mesh.publish("clusters", a=cluster("a"))
            assert list((await envoy.heard()).removed_resources) == ["b"]

    play(scene)


def test_what_a_proxy_has_from_before_is_not_sent_again() -> None:
    async def scene() -> None:
        mesh = Mesh(clusters={"a": cluster("a")})
        async with connected(mesh.discovery) as envoy:
            await envoy.ask("clusters", versions={"a": session.version_of(cluster("a"))})
            assert names(await envoy.heard()) == set()

    play(scene)


def test_clusters_go_out_before_routes_that_name_them() -> None:
    async def scene() -> None:
        mesh = Mesh()
        async with connected(mesh.discovery) as envoy:
            await envoy.subscribed("routes", "clusters")
            mesh.resources |= {"routes": {"r": b""}, "clusters": {"a": cluster("a")}}
            mesh.discovery.publish()
            order = [(await envoy.heard()).type_url.rpartition(".")[2] for _ in range(2)]
            assert order == ["Cluster", "RouteConfiguration"]

    play(scene)


def test_a_push_is_live_when_all_of_it_is_taken() -> None:
    async def scene() -> None:
        mesh = Mesh()
        async with connected(mesh.discovery) as envoy:
            await envoy.subscribed("clusters", "listeners")
            mesh.publish("clusters", a=cluster("a"))
            response = await envoy.heard()
            assert mesh.stream.live < mesh.stream.push
            await envoy.answer(response)
            await until(lambda: mesh.stream.live == mesh.discovery.pushes)

    play(scene)


def test_a_push_that_does_not_concern_a_proxy_is_live_at_once() -> None:
    async def scene() -> None:
        mesh = Mesh()
        async with connected(mesh.discovery) as envoy:
            await envoy.subscribed("clusters", "listeners")
            await until(lambda: mesh.stream.is_live)
            mesh.discovery.publish()
            assert mesh.stream.live == mesh.discovery.pushes
            assert await envoy.hears_nothing()

    play(scene)


def test_one_bad_resource_keeps_none_of_the_others_away() -> None:
    async def scene() -> None:
        mesh = Mesh()
        async with connected(mesh.discovery) as envoy:
            await envoy.subscribed("clusters", "listeners")
            mesh.publish("clusters", **{name: cluster(name) for name in "abcd"})
            heard = []
            for _ in range(5):
                heard.append(await envoy.heard())
                await envoy.answer(heard[-1], error="no such thing" if "c" in names(heard[-1]) else "")
            assert list(map(names, heard)) == [{*"abcd"}, {*"ab"}, {*"cd"}, {"c"}, {"d"}]
            await until(lambda: mesh.stream.is_live)
            assert [refusal.names for refusal in mesh.refusals] == [("c",)]

    play(scene)


def test_a_refusal_stands_until_a_better_one_is_taken() -> None:
    async def scene() -> None:
        mesh = Mesh(clusters={"a": cluster("a")})
        async with connected(mesh.discovery) as envoy:
            await envoy.subscribed("clusters", "listeners")
            mesh.publish("clusters", a=cluster("a"), b=cluster("b"))
            await envoy.answer(await envoy.heard(), error="no such thing")
            await until(lambda: bool(mesh.refusals))
            mesh.publish("clusters", a=cluster("a", timeout="2s"), b=cluster("b"))
            await envoy.answer(await envoy.heard())
            await until(lambda: mesh.stream.is_live)
            assert mesh.stream.refusals == {"clusters": "no such thing"}
            mesh.publish("clusters", a=cluster("a"), b=cluster("b", timeout="3s"))
            await envoy.answer(await envoy.heard())
            await until(lambda: not mesh.stream.refusals)

    play(scene)


def test_a_listener_whose_port_was_taken_is_offered_again() -> None:
    async def scene() -> None:
        mesh = Mesh(again_after=0.0)
        async with connected(mesh.discovery) as envoy:
            await envoy.subscribed("listeners")
            mesh.publish("listeners", a=b"")
            taken = "Error adding/updating listener(s) a: cannot bind '127.0.0.1:80': Address already in use"
            await envoy.answer(await envoy.heard(), error=taken)
            again = await envoy.heard()
            assert names(again) == {"a"}
            await envoy.answer(again)
            await until(lambda: not mesh.stream.refusals)
            assert await envoy.hears_nothing()

    play(scene)


def test_endpoints_of_a_changed_cluster_are_sent_again() -> None:
    async def scene() -> None:
        mesh = Mesh(clusters={"a": cluster("a")}, endpoints={"a": b""})
        async with connected(mesh.discovery) as envoy:
            await envoy.subscribed("clusters", "endpoints")
            mesh.publish("clusters", a=cluster("a", timeout="2s"))
            assert names(await envoy.heard()) == {"a"}
            assert names(await envoy.heard()) == {"a"}

    play(scene)


def test_a_stranger_is_turned_away() -> None:
    async def nobody(metadata: Any, node: Any) -> Any:
        raise PermissionError("the token is not one of a service account")

    async def scene() -> None:
        discovery = ads.Discovery(nobody, lambda _: {}, lambda _: None)
        async with connected(discovery) as envoy:
            await envoy.ask("clusters")
            with pytest.raises(grpc.aio.AioRpcError, match="not one of a service account"):
                await envoy.heard()
        assert not discovery.streams

    play(scene)


def test_a_proxy_that_leaves_is_forgotten() -> None:
    async def scene() -> None:
        mesh = Mesh()
        async with connected(mesh.discovery) as envoy:
            await envoy.subscribed("clusters")
        await until(lambda: not mesh.discovery.streams)

    play(scene)
