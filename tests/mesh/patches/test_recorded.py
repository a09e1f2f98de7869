"""Patches on what a real istiod sent without them give, field by field, what it sent with them."""

from typing import Any

import pytest

from labkit.conformance import answers, scene
from labkit.mesh import model, patches
from labkit.mesh.memo import Memo
from tests import recorded

RECORDINGS = [answers.Answers(recorded.ISTIO.place), answers.Answers(recorded.DRAWN.place)]
CASES = [(r, c) for r in RECORDINGS for c in r.cases if c.family in ("filter", "drawn-filter")]
KINDS = ("clusters", "endpoints", "listeners", "routes")
PORTS = {"productpage": 9080, "details": 9080, "ratings": 9080, "reviews": 9080, "curl": 80, "httpbin": 8080}


@pytest.fixture(scope="module")
def proxies() -> dict[str, model.Proxy]:
    return scene.proxies(scene.snapshot(scene.base(RECORDINGS[0].extra())))


def target(proxy: model.Proxy) -> patches.Target:
    if proxy.role == "router":
        return patches.Target(is_gateway=True, tables={"http.8080": {8080}})
    app = str(proxy.labels["app"])
    host = f"{app}.{proxy.namespace}.svc.cluster.local"
    return patches.Target(is_gateway=False, hosts={PORTS[app]: (host,)})


def sent(recording: answers.Answers, case: str, proxy: str) -> dict[str, dict[str, Any]]:
    answer = recording.answer(case)
    result = {kind: dict(recording.base[proxy].get(kind, {})) for kind in KINDS}
    for kind, keys in answer["proxies"].get(proxy, {}).items():
        for name, key in keys.items():
            result[kind].pop(name, None)
            if key is not None:
                result[kind][name] = answer["bodies"][key]
    return result


def normal(value: Any) -> Any:
    """JSON in one form: nothing that says its default, numbers of one kind."""
    if isinstance(value, dict):
        items = {k: normal(v) for k, v in value.items()}
        return {k: v for k, v in items.items() if v not in (None, [], "", 0, False)}
    if isinstance(value, list):
        return [normal(v) for v in value]
    if isinstance(value, str) and value.endswith("s") and value[:-1].replace(".", "", 1).isdecimal():
        return float(value[:-1])
    return value


@pytest.mark.parametrize(("recording", "case"), CASES, ids=[case.name for _, case in CASES])
def test_patches_give_what_istio_sends(
    recording: answers.Answers, case: answers.Case, proxies: dict[str, model.Proxy]
) -> None:
    objects = [scene.with_namespace(o) for o in recording.input(case.name) if o["kind"] == "EnvoyFilter"]
    filters = [patches.read(obj) for obj in objects]
    for name, proxy in proxies.items():
        base = {kind: recording.base[name].get(kind, {}) for kind in KINDS}
        config = model.Config(**base)
        chosen = patches.chosen(filters, proxy, root="istio-system", memo=Memo())
        result = patches.patched(config, chosen, target(proxy), Memo()) if chosen else config
        theirs = sent(recording, case.name, name)
        for kind in KINDS:
            ours: dict[str, Any] = dict(getattr(result, kind))
            assert ours.keys() == theirs[kind].keys(), (name, kind)
            changed = [resource for resource, body in theirs[kind].items() if ours[resource] is not body]
            assert [normal(ours[r]) for r in changed] == [normal(theirs[kind][r]) for r in changed], (name, changed)
