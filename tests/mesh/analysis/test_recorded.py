"""What ``istioctl analyze`` 1.31.1 said of 46 scenes on a cluster with Bookinfo, code by code and word by word."""

import gzip
import json
import re
from pathlib import Path

import pytest

from labkit.mesh.analysis import Snapshot, analyze, on_top, without_cluster
from tests.mesh.analysis import scene

RECORDED = (Path(__file__).parent / "answers.jsonl.gz").read_bytes()
CASES = [json.loads(line) for line in gzip.decompress(RECORDED).splitlines()]


def plain(text):
    return re.sub(r"reviews-v(\d)-[a-z0-9]+-[a-z0-9]+", r"reviews-v\1-HASH", text)


def recorded(case, mode):
    return sorted((m["level"], m["code"], m["origin"], plain(m["message"])) for m in case[mode]["messages"])


def told(messages, namespace=""):
    kept = [m for m in messages if namespace in ("", m.namespace)]
    return sorted((m.level, m.code, m.origin, plain(m.text)) for m in kept)


def by_name(case):
    return case["case"]


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_a_cluster_gets_istios_messages(case):
    if any("denied the request" in line for line in case["applied"]["refused_or_warned"]):
        assert told(analyze(Snapshot(scene.applied([])))) == recorded(case, "applied")  # it was never stored
        return
    assert told(analyze(Snapshot(scene.applied(case["objects"])))) == recorded(case, "applied")


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_files_alone_get_istios_messages(case):
    objects = without_cluster(map(scene.placed, case["objects"]))
    assert told(analyze(objects, has_cluster=False)) == recorded(case, "files")


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_files_on_top_of_a_cluster_get_istios_messages(case):
    objects = on_top(scene.base(), map(scene.placed, case["objects"]))
    assert told(analyze(objects), "default") == recorded(case, "live")
