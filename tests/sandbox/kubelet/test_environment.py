"""Variables and command lines of containers."""

import base64

import pytest

from labkit.sandbox.kubelet import environment, sources

POD = {
    "metadata": {"name": "one", "namespace": "shop", "uid": "u", "labels": {"app": "a", "b": "c"}},
    "spec": {"nodeName": "sandbox", "containers": []},
    "status": {"podIP": "127.66.0.2"},
}
STORED = {
    ("ConfigMap", "conf"): {"kind": "ConfigMap", "data": {"colour": "blue"}},
    ("Secret", "safe"): {"kind": "Secret", "data": {"word": base64.b64encode(b"hush").decode()}},
}


def lookup(kind, name):
    return STORED.get((kind, name))


def value(entry, **container):
    variables = environment.variables(POD, {"env": [{"name": "X", **entry}], **container}, lookup)
    return variables.get("X")


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ({"fieldRef": {"fieldPath": "metadata.name"}}, "one"),
        ({"fieldRef": {"fieldPath": "metadata.labels['app']"}}, "a"),
        ({"fieldRef": {"fieldPath": "status.podIP"}}, "127.66.0.2"),
        ({"configMapKeyRef": {"name": "conf", "key": "colour"}}, "blue"),
        ({"secretKeyRef": {"name": "safe", "key": "word"}}, "hush"),
        ({"configMapKeyRef": {"name": "nope", "key": "k", "optional": True}}, None),
        ({"configMapKeyRef": {"name": "conf", "key": "k", "optional": True}}, None),
    ],
)
def test_values_come_from_where_the_pod_says(origin, expected):
    assert value({"valueFrom": origin}) == expected


@pytest.mark.parametrize(
    ("resource", "divisor", "expected"),
    [
        ("limits.cpu", "1", "1"),
        ("limits.cpu", "1m", "100"),
        ("limits.memory", "1Mi", "2"),
        ("requests.cpu", None, "0"),
    ],
)
def test_limits_are_whole_multiples_rounded_up(resource, divisor, expected):
    ref = {"resource": resource} | ({"divisor": divisor} if divisor else {})
    given = {"limits": {"cpu": "100m", "memory": "1500Ki"}}
    assert value({"valueFrom": {"resourceFieldRef": ref}}, resources=given) == expected


@pytest.mark.parametrize(
    ("origin", "message"),
    [
        ({"configMapKeyRef": {"name": "nope", "key": "k"}}, 'configmap "nope" not found'),
        ({"secretKeyRef": {"name": "nope", "key": "k"}}, 'secret "nope" not found'),
        ({"configMapKeyRef": {"name": "conf", "key": "k"}}, "couldn't find key k in ConfigMap shop/conf"),
    ],
)
def test_what_is_missing_is_named(origin, message):
    with pytest.raises(sources.MissingError, match=message):
        value({"valueFrom": origin})


def test_env_from_takes_every_key_with_a_prefix():
    container = {"envFrom": [{"prefix": "P_", "configMapRef": {"name": "conf"}}]}
    assert environment.variables(POD, container, lookup) == {"P_colour": "blue"}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [("$(A)/x", "1/x"), ("$$(A)", "$(A)"), ("$(B)", "$(B)"), ("a$b", "a$b")],
)
def test_references_are_replaced_where_known(text, expanded):
    assert environment.expand(text, {"A": "1"}) == expanded
