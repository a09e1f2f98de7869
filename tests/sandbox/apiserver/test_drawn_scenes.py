"""Requests drawn at random, several on one object, answered as a real API server answered them.

Creates, updates, patches of three kinds, applies, statuses, scales, deletions, lists, watches and subresources of pods,
on 29 kinds. Neither server ran controllers.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import pytest

from tests import recorded
from tests.sandbox.apiserver import control_plane, replaying

TOGETHER = 4
FAMILIES = (
    *("create", "put", "merge", "strategic", "json", "apply"),
    *("status", "scale", "delete", "list", "watch", "pod"),
)
NODE = {"metadata": {"name": "node-1", "labels": {"kubernetes.io/hostname": "node-1"}}}
UNORDERED = ("/metadata/managedFields", "/details/causes")
"""Entries of one second, and causes, have no order of their own."""


@pytest.fixture(scope="module")
def apis(tmp_path_factory):
    with control_plane.running(tmp_path_factory.mktemp("scenes"), controllers=False) as plane:
        definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        for definition in recorded.KUBERNETES_SCENES.json("definitions.json"):
            plane.client.raw("POST", definitions, body=definition, headers=replaying.JSON)
        plane.client.raw("POST", "/api/v1/nodes", body=NODE, headers=replaying.JSON)
        queue = SimpleQueue()
        for _ in range(TOGETHER):
            queue.put(replaying.Api(plane.kubeconfig, patience=1))
        yield queue
        for _ in range(TOGETHER):
            queue.get().close()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_drawn_scene_is_answered_as_a_real_server_answers(apis, family):
    def differences(scene):
        api = apis.get()
        try:
            case = {**scene, "namespaces": ["ns"], "managed_fields": True, "controllers": False}
            return replaying.differences(api, case, unordered=UNORDERED)
        finally:
            apis.put(api)

    scenes = recorded.KUBERNETES_SCENES.json_lines(f"{family}.jsonl")
    with ThreadPoolExecutor(TOGETHER) as pool:
        seen = {scene["name"]: lines for scene, lines in zip(scenes, pool.map(differences, scenes), strict=True)}
    assert json.dumps({name: lines for name, lines in seen.items() if lines}, indent=1) == "{}"
