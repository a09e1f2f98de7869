"""One file of versions: what a real cluster gets, and what the sandbox says of itself."""

import re

import pytest

from labkit.base import settings, versions
from labkit.install import gateway_api, istioctl
from labkit.istioctl import version as client
from labkit.mesh import injection, model
from labkit.sandbox.apiserver import discovery
from labkit.sandbox.istiod import serving
from labkit.sandbox.kubelet import heartbeat

ISTIO = re.compile(r"\b1\.31\.\d+\b(?!-)")


def test_the_sandbox_and_a_kind_cluster_have_the_same_istio():
    tools = versions.pinned()["tools"]
    assert {versions.istio(), tools["istioctl"]["version"], model.ISTIO_VERSION, serving.VERSION, client.VERSION} == {
        versions.istio()
    }
    assert f"docker.io/istio/proxyv2:{versions.istio()}" == injection.IMAGE
    assert f"tag: {versions.istio()}" in istioctl.operator()


def test_the_sandbox_has_one_version_of_kubernetes():
    assert discovery.VERSION == heartbeat.VERSION == versions.kubernetes()
    assert versions.parse(gateway_api.VERSION) == versions.parse(versions.gateway_api())


@pytest.mark.parametrize("folder", ["labkit", ".github", "notebooks"])
def test_no_other_file_pins_an_istio(folder):
    files = [f for f in (settings.CHECKOUT / folder).rglob("*") if f.suffix in (".py", ".yaml", ".yml", ".ipynb")]
    naming = [f.name for f in files if ISTIO.search(_code(f)) and f.name != "versions.yaml"]
    # The catalogue lists the tags that are published; a learner types the older one.
    assert set(naming) <= {"images.yaml", "23-upgrade-istio.ipynb"}


def test_the_lesson_about_upgrades_begins_with_the_previous_istio():
    assert f"tag={versions.previous_istio()} " in (settings.CHECKOUT / "notebooks/23-upgrade-istio.ipynb").read_text()


def _code(file):
    """Its text less examples in docstrings and comments."""
    text = file.read_text(encoding="utf-8")
    return re.sub(r'"""[\s\S]*?"""|``[^`]*``|#.*', "", text)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("v1.35.8", (1, 35, 8)), ("kind v0.33.0 go1.26", (0, 33, 0)), ("1.31", (1, 31)), ("latest", ())],
)
def test_a_version_is_its_numbers(text, numbers):
    assert versions.parse(text) == numbers


def test_a_node_image_is_pinned_by_digest_for_each_kind_that_is_known():
    for image in versions.pinned()["node_images"].values():
        assert re.fullmatch(r"kindest/node:v1\.\d+\.\d+@sha256:[0-9a-f]{64}", image)
