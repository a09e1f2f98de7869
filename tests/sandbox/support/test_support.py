"""One table says of every kind, field, label and annotation whether the sandbox carries it out."""

from collections.abc import Iterator

import pytest

from labkit.sandbox import support
from labkit.sandbox.apiserver.objects import schemas
from labkit.sandbox.apiserver.objects.types import Type
from labkit.sandbox.support import kinds, reading

POD_SPEC = {"containers": [{"name": "c", "image": "busybox"}]}


def pod(**spec):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {**POD_SPEC, **spec}}


def deployment(**spec):
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {**POD_SPEC, **spec}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"template": template}}


def test_the_table_names_every_kind_that_is_stored_once():
    stored = {f"{kind.group}/{kind.kind}" for kind in schemas.served() if "watch" in kind.verbs}
    named = [*kinds.CARRIED_OUT, *kinds.DATA, *kinds.WITHOUT_EFFECT]
    assert sorted(named) == sorted(stored)


def structs(of: Type, path: str, seen: set[str]) -> Iterator[tuple[str, Type]]:
    """Every struct below a type that is reached through fields that are carried out."""
    while of.kind in ("list", "map") and of.items:
        of = of.items
    if of.kind != "struct" or of.name in ("", "ObjectMeta") or of.name in seen:
        return
    seen.add(of.name)
    yield path, of
    if fields := reading.STRUCTS.get(of.name):
        for name in fields.carried_out.split():
            yield from structs(of.fields[name], f"{path}.{name}", seen)


@pytest.mark.parametrize("kind", kinds.STRUCTS)
def test_the_table_names_every_field_of_a_kind_that_is_carried_out(kind):
    api_version = next(k for k in schemas.served() if f"{k.group}/{k.kind}" == kind)
    schema = schemas.builtin(f"{api_version.group}/{api_version.version}".strip("/"), api_version.kind)
    for part in kinds.STRUCTS[kind]:
        for path, struct in structs(schema.type.fields[part], part, set()):
            assert struct.name in reading.STRUCTS, f"{path}: no entry for the struct {struct.name}"
            assert reading.STRUCTS[struct.name].names == set(struct.fields), path


def test_a_kind_without_effect_says_so_for_the_whole_object():
    (text,) = support.findings({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": {"ingress": []}})
    assert text.startswith("NetworkPolicy has no effect: ")


CASES = {
    "a field of a pod": (pod(hostPID=True), "spec.hostPID"),
    "a field of a template": (deployment(hostPID=True), "spec.template.spec.hostPID"),
    "a value that is not the default": (
        pod(containers=[{"name": "c", "image": "i", "securityContext": {"privileged": True}}]),
        "spec.containers[0].securityContext.privileged",
    ),
    "a limit of another kind": (
        pod(containers=[{"name": "c", "image": "i", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}]),
        "spec.containers[0].resources.limits",
    ),
    "a volume from outside": (pod(volumes=[{"name": "v", "nfs": {"path": "/", "server": "s"}}]), "spec.volumes[0].nfs"),
    "an annotation below a prefix": (
        pod() | {"metadata": {"annotations": {"nginx.ingress.kubernetes.io/rewrite-target": "/"}}},
        "metadata.annotations[nginx.ingress.kubernetes.io/rewrite-target]",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_has_no_effect_is_named_by_its_path(case):
    obj, path = CASES[case]
    (text,) = support.findings(obj)
    assert text.startswith(f"{path} has no effect: ")


QUIET = {
    "a limit that is carried out": pod(
        containers=[{"name": "c", "image": "i", "resources": {"limits": {"memory": "1Gi"}}}]
    ),
    "an ordinary pod": pod(),
    "a default that the server fills in": pod(dnsPolicy="ClusterFirst", securityContext={}, priority=0),
    "an empty value": pod(hostAliases=[], nodeSelector={}),
    "a kind that is not built in": {"apiVersion": "lab.example/v1", "kind": "Widget", "spec": {"hostPID": True}},
    "an object without a kind": {"spec": {}},
}


@pytest.mark.parametrize("case", QUIET)
def test_what_is_carried_out_says_nothing(case):
    assert support.findings(QUIET[case]) == []


def test_many_places_of_one_reason_are_one_sentence():
    volumes = [{"name": f"v{n}", "hostPath": {"path": "/"}} for n in range(5)]
    (text,) = support.findings(pod(volumes=volumes))
    assert "spec.volumes[0].hostPath, spec.volumes[1].hostPath, spec.volumes[2].hostPath and 2 more have no" in text


def test_containers_that_the_injector_added_are_not_the_users_affair():
    injected = pod(containers=[{"name": "istio-proxy", "ports": [{"containerPort": 1, "hostPort": 2}]}])
    assert support.findings(injected)
    injected["metadata"]["annotations"] = {"sidecar.istio.io/status": '{"containers":["istio-proxy"]}'}
    assert support.findings(injected) == []


@pytest.mark.parametrize(
    ("annotation", "value", "ends"),
    [
        ("sidecar.istio.io/logLevel", "debug", "] has no effect: a proxy logs warnings"),
        ("sidecar.istio.io/interceptionMode", "TPROXY", "] has no effect: connections are taken as with REDIRECT"),
        (
            "proxy.istio.io/config",
            "concurrency: 4",
            "].concurrency has no effect: a proxy has one worker thread",
        ),
        ("istio.io/dataplane-mode", "ambient", "] has no effect: it is a label"),
    ],
)
def test_annotations_that_proxies_do_not_follow_are_said_of_pods_and_of_templates(annotation, value, ends):
    template = deployment()
    template["spec"]["template"]["metadata"]["annotations"] = {annotation: value}
    own = pod()
    own["metadata"]["annotations"] = {annotation: value}
    for obj, path in ((own, "metadata"), (template, "spec.template.metadata")):
        told = [text for text in support.findings(obj) if annotation in text]
        assert [text.startswith(f"{path}.annotations[{annotation}{ends}") for text in told] == [True], told


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        ("sidecar.istio.io/interceptionMode", "NONE"),
        ("proxy.istio.io/config", "proxyMetadata: {A: b}"),
        ("proxy.istio.io/config", "concurrency: 1"),
        ("proxy.istio.io/config", "{{{"),
        ("traffic.sidecar.istio.io/excludeOutboundPorts", "5432"),
    ],
)
def test_annotations_that_are_followed_or_refused_are_not_said(annotation, value):
    own = pod()
    own["metadata"]["annotations"] = {annotation: value}
    assert not [text for text in support.findings(own) if annotation in text]
