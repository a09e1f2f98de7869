"""What Docker and podman say of themselves, by one set of names. The outputs are recorded from the programs."""

from pathlib import Path

import pytest

from labkit.clusters import engine
from tests.clusters.recorded import ENGINE_DOWN, failed, said

PODMAN = (Path(__file__).parent / "podman-info.json").read_text()
DENIED = (
    '{"ServerErrors":["permission denied while trying to connect to the Docker daemon socket at '
    'unix:///var/run/docker.sock"],"ClientInfo":{"Debug":false,"Context":"default","Plugins":[],"Warnings":null}}'
)


@pytest.fixture
def podman(monkeypatch):
    monkeypatch.setenv(engine.PROVIDER, "podman")


def test_podman_tells_what_docker_would(podman):
    told = engine.info_of(said(PODMAN))
    assert (told["ServerVersion"], told["NCPU"], told["CgroupVersion"]) == ("4.3.1", 2, "1")
    assert told["MemTotal"] > 2**34 and told["LogDriver"] == "k8s-file"


def test_commands_are_of_the_engine_that_kind_is_told_to_use(podman):
    assert engine.info_words() == ["podman", "info", "--format", "json"]
    assert "--platform" not in engine.save_words("x:1", platform="linux/amd64", file="f"), (
        "podman save has no such flag"
    )


def test_docker_is_asked_for_one_platform(monkeypatch):
    monkeypatch.delenv(engine.PROVIDER, raising=False)
    words = engine.save_words("x:1", platform="linux/arm64", file="f")
    assert words[:4] == ["docker", "save", "--platform", "linux/arm64"]


@pytest.mark.parametrize(
    ("output", "complaint"),
    [
        (ENGINE_DOWN, "Is the docker daemon running?"),
        (said(DENIED), "permission denied while trying to connect"),
        (failed("docker: command not found", code=127), "command not found"),
    ],
    ids=["the engine is down", "no permission, exit code 0", "no docker"],
)
def test_an_engine_that_does_not_answer_is_its_complaint(output, complaint):
    assert complaint in engine.info_of(output)


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("kindest/node:v1.35.8", "docker.io/kindest/node:v1.35.8"),
        ("kindest/node:v1.35.8@sha256:07b2", "docker.io/kindest/node@sha256:07b2"),
        ("redis:7-alpine", "docker.io/library/redis:7-alpine"),
        ("redis", "docker.io/library/redis"),
        ("gcr.io/istio-testing/ext-authz:latest", "gcr.io/istio-testing/ext-authz:latest"),
        ("localhost:5000/x@sha256:07b2", "localhost:5000/x@sha256:07b2"),
        ("localhost/x:1", "localhost/x:1"),
    ],
)
def test_an_image_is_asked_for_by_a_name_that_every_engine_takes(name, full):
    assert engine.full_name(name) == full
