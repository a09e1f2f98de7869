"""The scene of the recordings of family ambient, and ztunnel's tables compared with what a real istiod told it."""

from collections.abc import Iterable, Iterator, Mapping
from importlib import resources as files
from typing import Any

from labkit.conformance import scene
from labkit.conformance.answers import Answers
from labkit.install import bookinfo
from labkit.kube import manifests
from labkit.kube.resources import Object
from labkit.mesh import model
from labkit.mesh.ambient import enrolment, tables

NAMESPACE = "amb"
ZTUNNEL = "ztunnel"
"""The name that the recordings give to what is no Envoy."""

Named = Mapping[str, Mapping[str, Any]]
"""``workloads``, ``services`` or ``policies`` → name as the recordings write it → entry."""


def base(extra: Iterable[Object]) -> list[Object]:
    """The base scene with namespace amb; ``extra`` is what all recordings add to Istio's profile and Bookinfo."""
    return [*scene.base(extra), *(scene.with_namespace(_redirected(o)) for o in own())]


def own() -> list[Object]:
    """Namespace amb with all that is in it."""
    written = manifests.parse(files.files(__package__).joinpath("ambient.yaml").read_text())
    return [*written, *({**o, "metadata": {**o["metadata"], "namespace": NAMESPACE}} for o in bookinfo.objects())]


def snapshot(objects: Iterable[Object]) -> model.Snapshot:
    """Objects with their pods and endpoints, and what istiod deploys for Gateways."""
    return scene.snapshot(map(_with_addresses, objects), is_ambient=True)


def _with_addresses(obj: Object) -> Object:
    """A ServiceEntry with the addresses that istiod gives it, as the recordings write them."""
    if obj["kind"] != "ServiceEntry" or obj["spec"].get("addresses") or obj["spec"].get("resolution") in (None, "NONE"):
        return obj
    given = [
        {"host": host, "value": value}
        for host in obj["spec"].get("hosts") or ()
        if not host.startswith("*")
        for value in ("AutoIPv4", "AutoIPv6")
    ]
    return {**obj, "status": {"addresses": given}}


def named(ambient: tables.Tables) -> Named:
    """Tables by the names that the recordings use."""
    workloads = {f"{w['namespace']}/{w['name']}": w for w in ambient.workloads.values()}
    return {"workloads": workloads, "services": ambient.services, "policies": ambient.policies}


def tables_of(scene_snapshot: model.Snapshot) -> dict[str, dict[str, Any]]:
    """What ztunnel is told in a scene, under the names of the recordings."""
    return {kind: dict(entries) for kind, entries in named(tables.of(scene_snapshot)).items()}


def recorded(answers: Answers, case: str) -> Named:
    """What a real istiod told ztunnel in a case; ``base`` is the scene without any."""
    base = answers.base[ZTUNNEL]
    if case == "base":
        return base
    answer = answers.answer(case)
    changed: dict[str, dict[str, Any]] = {kind: dict(entries) for kind, entries in base.items()}
    for kind, keys in answer["proxies"].get(ZTUNNEL, {}).items():
        gone = {name for name, key in keys.items() if key is None}
        there = {name: answer["bodies"][key] for name, key in keys.items() if key is not None}
        changed[kind] = {n: entry for n, entry in changed.get(kind, {}).items() if n not in gone} | there
    return changed


def differences(ours: Named, theirs: Named) -> Iterator[str]:
    """One line for each entry that is another."""
    for kind in ("workloads", "services", "policies"):
        here, there = ours.get(kind, {}), theirs.get(kind, {})
        for name in sorted(here.keys() | there.keys()):
            one, other = _sorted(here.get(name)), _sorted(there.get(name))
            if one != other:
                yield f"{kind} {name}: we have {one}, istiod {other}"


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(part) for key, part in sorted(value.items())}
    return sorted(map(_sorted, value), key=repr) if isinstance(value, list) else value


def _redirected(obj: Object) -> Object:
    """The object; pods of a Deployment as istio-cni has marked them."""
    if obj["kind"] != "Deployment":
        return obj
    template = obj["spec"]["template"]
    annotations = {**(template["metadata"].get("annotations") or {}), enrolment.REDIRECTION: enrolment.ENABLED}
    marked = {**template, "metadata": {**template["metadata"], "annotations": annotations}}
    return {**obj, "spec": {**obj["spec"], "template": marked}}
