"""Kinds are followed as their definitions come and go."""

import asyncio
from pathlib import Path

from labkit.kube import resources
from labkit.sandbox.istiod import following
from tests.sandbox.istiod import clusters

RULE = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "VirtualService",
    "metadata": {"name": "reviews", "namespace": "default"},
    "spec": {"hosts": ["reviews"]},
}


def test_absent_kinds_hold_nothing_up(tmp_path: Path) -> None:
    async def scene() -> None:
        async with clusters.running(tmp_path, has_kinds=False) as api, clusters.followed(api) as (result, _):
            assert not result.is_served(resources.VIRTUAL_SERVICES)
            assert list(result.all(resources.VIRTUAL_SERVICES)) == []
            assert result.get(resources.NAMESPACES, "default") is not None

    asyncio.run(scene())


def test_a_kind_is_followed_once_it_is_defined(tmp_path: Path) -> None:
    async def scene() -> None:
        async with clusters.running(tmp_path, has_kinds=False) as api, clusters.followed(api) as (result, heard):
            await clusters.install_kinds(api)
            await api.create(resources.VIRTUAL_SERVICES, RULE)

            async def told() -> bool:
                return ("virtualservices", "reviews") in heard

            await clusters.eventually(told)
            assert "virtualservices.networking.istio.io" in result.objects()

    asyncio.run(scene())


def test_objects_go_with_their_definition(tmp_path: Path) -> None:
    async def scene() -> None:
        async with clusters.running(tmp_path) as api:
            await api.create(resources.VIRTUAL_SERVICES, RULE)
            async with clusters.followed(api) as (result, _):
                assert result.get(resources.VIRTUAL_SERVICES, "reviews", "default")
                await api.delete(resources.CRDS, following.key_of(resources.VIRTUAL_SERVICES))

                async def gone() -> bool:
                    return not result.is_served(resources.VIRTUAL_SERVICES)

                await clusters.eventually(gone)

    asyncio.run(scene())
