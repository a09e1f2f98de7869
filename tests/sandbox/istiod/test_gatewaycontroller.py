"""The cluster becomes what a conversion wants."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from labkit.kube import resources, status
from labkit.kube.api import Api
from labkit.mesh import gateway_api, model
from labkit.sandbox.istiod import following
from labkit.sandbox.istiod.gatewaycontroller import GatewayController
from tests.sandbox.istiod import clusters

Object = dict[str, Any]
GATEWAY: Object = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "gw", "namespace": "default"},
    "spec": {"gatewayClassName": "istio", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
}


@asynccontextmanager
async def controlled(api: Api) -> AsyncIterator[tuple[GatewayController, following.Following]]:
    """A controller at work."""
    async with clusters.followed(api) as (followed, _):
        controller = GatewayController(api, followed)
        task = asyncio.create_task(controller.run())
        try:
            yield controller, followed
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def desired(followed: following.Following) -> gateway_api.Converted:
    return gateway_api.convert(model.Snapshot(objects=followed.objects()))


async def get(api: Api, resource: resources.Resource, name: str, namespace: str | None = "default") -> Object | None:
    try:
        return await api.get(resource, name, namespace)
    except status.NotFound:
        return None


def test_the_classes_of_istio_are_made(tmp_path: Path) -> None:
    async def scene() -> None:
        async with clusters.running(tmp_path) as api, controlled(api) as (controller, followed):
            controller.want(desired(followed), {})
            obj = await clusters.eventually(lambda: get(api, resources.GATEWAY_CLASSES, "istio", None))
            assert obj["spec"]["controllerName"] == gateway_api.CONTROLLER

    asyncio.run(scene())


def test_a_gateway_gets_its_status_and_its_objects(tmp_path: Path) -> None:
    async def scene() -> None:
        async with clusters.running(tmp_path) as api:
            await api.create(resources.KUBE_GATEWAYS, GATEWAY)
            async with controlled(api) as (controller, followed):
                controller.want(desired(followed), {})
                for resource in (resources.SERVICE_ACCOUNTS, resources.SERVICES, resources.DEPLOYMENTS):
                    obj = await clusters.eventually(lambda r=resource: get(api, r, "gw-istio"))
                    assert obj["metadata"]["ownerReferences"][0]["name"] == "gw"
                gateway = await api.get(resources.KUBE_GATEWAYS, "gw", "default")
                assert [c["status"] for c in gateway["status"]["conditions"]] == ["True", "False", "True"]
                assert all(c["lastTransitionTime"] for c in gateway["status"]["conditions"])

    asyncio.run(scene())


def test_a_status_that_says_the_same_is_not_written_again(tmp_path: Path) -> None:
    async def scene() -> None:
        async with clusters.running(tmp_path) as api:
            await api.create(resources.KUBE_GATEWAYS, GATEWAY)
            async with controlled(api) as (controller, followed):
                controller.want(desired(followed), {})
                await clusters.eventually(lambda: get(api, resources.SERVICES, "gw-istio"))
                before = await api.get(resources.KUBE_GATEWAYS, "gw", "default")

                async def caught_up() -> bool:
                    return followed.get(resources.KUBE_GATEWAYS, "gw", "default") == before

                await clusters.eventually(caught_up)
                controller.want(desired(followed), {})
                # The classes' statuses are written last and once: when they are there, all has been looked at.
                await clusters.eventually(lambda: _accepted(api))
                after = await api.get(resources.KUBE_GATEWAYS, "gw", "default")
                times = [[c["lastTransitionTime"] for c in g["status"]["conditions"]] for g in (before, after)]
                assert times[0] == times[1]

    asyncio.run(scene())


async def _accepted(api: Api) -> bool:
    return await get(api, resources.GATEWAY_CLASSES, "istio-remote", None) is not None


def test_a_deployment_that_was_deleted_is_made_again(tmp_path: Path) -> None:
    async def scene() -> None:
        async with clusters.running(tmp_path) as api:
            await api.create(resources.KUBE_GATEWAYS, GATEWAY)
            async with controlled(api) as (controller, followed):
                controller.want(desired(followed), {})
                first = await clusters.eventually(lambda: get(api, resources.DEPLOYMENTS, "gw-istio"))
                # The controller has seen it once its own cache has it.
                await clusters.eventually(lambda: _seen(controller))
                await api.delete(resources.DEPLOYMENTS, "gw-istio", "default")

                async def again() -> bool:
                    value = await get(api, resources.DEPLOYMENTS, "gw-istio")
                    return value is not None and value["metadata"]["uid"] != first["metadata"]["uid"]

                await clusters.eventually(again)

    asyncio.run(scene())


async def _seen(controller: GatewayController) -> bool:
    return controller._deployments.get("gw-istio", "default") is not None


def test_without_the_gateway_api_nothing_is_tried(tmp_path: Path) -> None:
    async def scene() -> None:
        async with clusters.running(tmp_path, has_kinds=False) as api, controlled(api) as (controller, followed):
            controller.want(desired(followed), {})
            await asyncio.sleep(0.05)
            assert not followed.is_served(resources.GATEWAY_CLASSES)

    asyncio.run(scene())
