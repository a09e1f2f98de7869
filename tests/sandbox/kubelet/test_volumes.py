"""Volumes hold what the pod says, and change all at once."""

import base64

import pytest

from labkit.sandbox.kubelet import sources, volumes

POD = {
    "metadata": {"name": "one", "namespace": "shop", "labels": {"app": "a"}},
    "spec": {"containers": [{"name": "app"}]},
}
STORED = {
    ("ConfigMap", "conf"): {"kind": "ConfigMap", "data": {"a": "1", "b": "2"}},
    ("Secret", "safe"): {"kind": "Secret", "data": {"word": base64.b64encode(b"hush").decode()}},
}


def lookup(kind, name):
    return STORED.get((kind, name))


def held(volume, tokens=()):
    files = volumes.files(POD, {"name": "v", **volume}, lookup, dict(tokens))
    return files and {path: file.data.decode() for path, file in files.items()}


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        ({"configMap": {"name": "conf"}}, {"a": "1", "b": "2"}),
        ({"configMap": {"name": "conf", "items": [{"key": "a", "path": "x/y"}]}}, {"x/y": "1"}),
        ({"configMap": {"name": "nope", "optional": True}}, {}),
        ({"secret": {"secretName": "safe"}}, {"word": "hush"}),
        (
            {"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            {"l": 'app="a"'},
        ),
        ({"emptyDir": {}}, None),
    ],
)
def test_a_volume_holds_what_its_source_says(volume, expected):
    assert held(volume) == expected


def test_a_projected_volume_joins_its_sources():
    token = {"serviceAccountToken": {"path": "token", "audience": "istio-ca", "expirationSeconds": 43200}}
    volume = {"projected": {"sources": [token, {"configMap": {"name": "conf"}}]}}
    assert volumes.tokens([volume]) == {("istio-ca", 43200)}
    assert held(volume, {("istio-ca", 43200): "t"}.items()) == {"token": "t", "a": "1", "b": "2"}


def test_secrets_and_tokens_are_private_whatever_the_mode_says():
    files = volumes.files(POD, {"secret": {"secretName": "safe", "defaultMode": 0o644}}, lookup, {})
    assert files["word"].mode == 0o600


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ({"configMap": {"name": "nope"}}, 'configmap "nope" not found'),
        ({"secret": {"secretName": "nope"}}, 'secret "nope" not found'),
        ({"hostPath": {"path": "/etc"}}, "a hostPath volume reaches outside the pod"),
        (
            {"configMap": {"name": "conf", "items": [{"key": "z", "path": "z"}]}},
            "references non-existent configmap key: z",
        ),
    ],
)
def test_what_cannot_be_filled_is_said(volume, message):
    with pytest.raises(sources.MissingError, match=message):
        held(volume)


def file(text):
    return volumes.File(data=text.encode())


def test_a_change_is_seen_through_the_same_path_and_gone_keys_go(tmp_path):
    volumes.write(tmp_path, {"a": file("1"), "b": file("2")})
    volumes.write(tmp_path, {"a": file("3")})
    assert (tmp_path / "a").read_text() == "3"
    assert {p.name for p in tmp_path.iterdir() if not p.name.startswith("..")} == {"a"}


@pytest.mark.parametrize("to", ["../machine", "/tmp", ".."])
def test_a_link_that_was_turned_elsewhere_costs_nothing_there(tmp_path, to):
    machine, volume = tmp_path / "machine", tmp_path / "volume"
    machine.mkdir()
    (machine / "keep").write_text("x")
    volumes.write(volume, {"a": file("1")})
    (volume / "..data").unlink()
    (volume / "..data").symlink_to(to)
    volumes.write(volume, {"a": file("2")})
    assert (machine / "keep").exists()
    assert (volume / "a").read_text() == "2"


def test_a_write_that_was_cut_off_is_made_good(tmp_path):
    volumes.write(tmp_path, {"a": file("1")})
    (tmp_path / "..data_new").symlink_to("nowhere")
    volumes.write(tmp_path, {"a": file("2")})
    assert (tmp_path / "a").read_text() == "2"


@pytest.mark.parametrize("path", ["../a", "x/../../a", "/etc/a"])
def test_a_path_that_leads_outside_is_never_written(path, tmp_path):
    with pytest.raises(sources.MissingError, match="not a path below the volume"):
        volumes.write(tmp_path / "v", {path: file("1")})
    assert [p.name for p in tmp_path.iterdir()] == []
