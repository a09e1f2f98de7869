"""Golden cases: ``in.yaml`` becomes what lies beside it. ``LABKIT_UPDATE_GOLDEN=1 pytest …`` writes it anew."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from labkit.conformance import scene
from labkit.kube import manifests
from labkit.mesh import compiler, model
from labkit.mesh.sandboxed import istios_filters
from labkit.sandbox.istiod import messages
from tests.mesh import envoys

FOLDER = Path(__file__).with_name("golden")
CASES = sorted(p for p in FOLDER.iterdir() if p.is_dir())
KINDS = ("clusters", "endpoints", "listeners", "routes", "secrets")
UPDATE = bool(os.environ.get("LABKIT_UPDATE_GOLDEN"))
PROXIES = ("client", "gateway")
BASE = "a-mesh-without-rules"


def snapshot(case: Path) -> model.Snapshot:
    objects = [*manifests.read(FOLDER / "scene.yaml"), *manifests.parse((case / "in.yaml").read_text())]
    return scene.snapshot(map(scene.with_namespace, objects))


def proxies(found: model.Snapshot) -> dict[str, model.Proxy]:
    there = scene.proxies(found)
    return {"client": there["client"], "gateway": there["entry"]}


def plain(value: Any) -> Any:
    """A record of the intermediate form as YAML shows it: without what it does not say."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {name: v for name, v in fields.items() if v not in (None, "", [], {}, False)}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return {k: plain(v) for k, v in value.items()} if isinstance(value, dict) else value


def compiled(case: Path) -> dict[str, Any]:
    """File → proxy → name → what it is told; the intermediate form in ``ir``."""
    found = snapshot(case)
    index = compiler.index(found)
    files: dict[str, Any] = {"ir": {}, **{kind: {} for kind in KINDS}}
    for name, proxy in proxies(found).items():
        config, view = index.for_proxy(proxy), index.view(proxy)
        for kind in KINDS:
            files[kind][name] = dict(getattr(config, kind))
        form: dict[str, Any] = {u.name: u for u in view.reach.upstreams.values()}
        if proxy.role == "sidecar":
            form |= {f"{t.name} {h.name}": h for t in view.tables.values() for h in t.hosts}
        else:
            entry = index.entry(proxy)
            form |= {f"{t.name} {h.name}": h for t in entry.tables for h in t.hosts}
            form |= {f"port {x.port}": x for x in entry.listeners}
        files["ir"][name] = {key: plain(value) for key, value in form.items()}
    return json.loads(json.dumps(files))


def told(case: Path) -> dict[str, str]:
    """The files of a case; of every other case only what is not as in the mesh without rules."""
    now = compiled(case)
    if case.name != BASE:
        before = compiled(FOLDER / BASE)
        now = {kind: {p: _new(before[kind][p], now[kind][p]) for p in PROXIES} for kind in now}
    for found in now.values():
        # What the gateway is told like the client is said once.
        found["gateway"] = {k: v for k, v in found["gateway"].items() if found["client"].get(k, ...) != v}
    kept = {kind: {p: v for p, v in found.items() if v} for kind, found in now.items()}
    return {f"{kind}.yaml": yaml.safe_dump(v, sort_keys=True, width=110) for kind, v in kept.items() if v}


def _new(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    changed = {k: _hosts(before.get(k), v) for k, v in now.items() if before.get(k) != v}
    return changed | {k: None for k in before if k not in now}


def _hosts(before: Any, now: Any) -> Any:
    """Of a route configuration only the virtual hosts that changed."""
    if not isinstance(before, dict) or "virtual_hosts" not in now:
        return now
    return {**now, "virtual_hosts": [h for h in now["virtual_hosts"] if h not in before["virtual_hosts"]]}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_becomes_what_lies_beside_it(case: Path) -> None:
    files = told(case)
    if UPDATE:
        for old in case.glob("*.yaml"):
            if old.name != "in.yaml" and old.name not in files:
                old.unlink()
        for name, text in files.items():
            (case / name).write_text(text)
    there = {p.name: p.read_text() for p in case.glob("*.yaml") if p.name != "in.yaml"}
    assert there == files


def test_every_folder_is_a_case() -> None:
    assert [p for p in CASES if not (p / "in.yaml").exists()] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_resource_is_one_of_envoys(case: Path) -> None:
    for kind in KINDS:
        for resources in compiled(case)[kind].values():
            for resource in resources.values():
                assert messages.encoded(kind, istios_filters.replaced(resource))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_envoy_takes_it(case: Path, sidecar: envoys.Judge, gateway: envoys.Judge) -> None:
    found = envoys.numbered(snapshot(case))
    index, there = compiler.index(found), proxies(found)
    for judge, proxy in ((sidecar, there["client"]), (gateway, there["gateway"])):
        config = index.for_proxy(judge.proxy(proxy))
        assert judge.judge(config) == envoys.Verdict(refused={}, taken=envoys.names(config))
