"""Images are looked up by the last part of their name."""

import importlib

import pytest

from labkit.sandbox.kubelet import catalogue

ALL = catalogue.load()


@pytest.mark.parametrize(
    "image",
    [
        "curl",
        "curl:8.16",
        "docker.io/curlimages/curl:8.16.0",
        "host:5000/curl@sha256:abc",
        "a/curl:1@sha256:abc",
    ],
)
def test_registry_tag_and_digest_do_not_matter(image):
    assert ALL.find(image).name == "curl"


def test_an_unknown_image_is_refused_with_what_there_is():
    refusal = ALL.refusal("nginx:1.27")
    assert '"nginx:1.27"' in refusal
    assert "httpbin" in refusal


def test_a_command_is_found_with_and_without_its_folder():
    program = catalogue.Program(name="p", entry="m:main", commands={"sh": "s:main"})
    assert program.run(["/bin/sh", "-c", "x"]) == "s:main"
    assert program.run(["serve"]) == program.run([]) == "m:main"


@pytest.mark.parametrize("module", ALL.modules)
def test_every_module_of_the_catalogue_loads(module):
    importlib.import_module(module)


def test_what_runs_once_is_not_loaded_for_everybody():
    assert ALL.find("docker.io/istio/pilot:1.31.1").entry.startswith("labkit.sandbox.xds.istiod")
    assert "labkit.sandbox.xds.istiod" not in ALL.modules
