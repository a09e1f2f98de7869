"""The door: who gets in, and what stays after a restart."""

import asyncio
import json
import stat

import pytest

from labkit.kube import resources
from labkit.sandbox.apiserver import server


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Bearer t\u00f6ken\u00ff"}, 401),
        ({"Host": "evil.example.com"}, 403),
        ({"Origin": "https://evil.example.com"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({}, 200),
    ],
    ids=[
        "a wrong token",
        "a token of other letters",
        "another host",
        "another origin",
        "another site",
        "the kubeconfig",
    ],
)
def test_only_the_kubeconfigs_owner_gets_in(ask, headers, code):
    assert ask("GET", "pods", headers=headers).code == code


def test_the_kubeconfig_is_its_owners_alone(plane):
    assert stat.S_IMODE(plane.kubeconfig.stat().st_mode) == 0o600


def test_discovery_tells_what_is_served(plane):
    code, _, data = plane.client.raw("GET", "/apis/apps/v1")
    names = {entry["name"] for entry in json.loads(data)["resources"]}
    assert code == 200
    assert {"deployments", "deployments/scale", "deployments/status"} <= names


def test_objects_and_port_are_the_same_after_a_restart(tmp_path):
    async def life(*, make):
        api = server.Server(state=tmp_path / "state", kubeconfig=tmp_path / "kubeconfig")
        await api.start()
        try:
            if make:
                obj = {"metadata": {"name": "c", "namespace": "default"}, "data": {"a": "1"}}
                await api.local.create(resources.CONFIG_MAPS, obj)
            return api.port, await api.local.get(resources.CONFIG_MAPS, "c", "default")
        finally:
            await api.stop()

    assert asyncio.run(life(make=True)) == asyncio.run(life(make=False))
