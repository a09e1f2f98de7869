"""Images are programs of this machine; what is not in the catalogue fails as a pull does."""

import importlib

import pytest

from labkit.base import settings
from labkit.sandbox.kubelet import catalogue

ALL = catalogue.load()
DIGEST = "@sha256:" + "0f" * 32


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("docker.io/istio/examples-bookinfo-ratings-v1:1.20.3", "examples-bookinfo-ratings-v1"),
        ("registry.istio.io/release/examples-bookinfo-ratings-v1:1.16.4", "examples-bookinfo-ratings-v1"),
        ("istio/examples-helloworld-v1:1.0", "examples-helloworld-v1"),
        ("docker.io/istio/proxyv2:1.31.1-distroless", "proxyv2"),
        ("docker.io/mccutchen/go-httpbin:v2.15.0", "go-httpbin"),
        ("mccutchen/go-httpbin", "go-httpbin"),
        ("curlimages/curl", "curl"),
        ("quay.io/curl/curl:8.16.0", "curl"),
        ("docker.io/fortio/fortio:latest_release", "fortio"),
        ("busybox:1.28", "busybox"),
        ("busybox:1.36.1-musl", "busybox"),
        ("alpine:3.20", "alpine"),
        ("nginx:1.14.2", "nginx"),
        ("nginx:1.27-alpine", "nginx"),
        ("nginx:stable-alpine-slim", "nginx"),
        (f"nginx:1.27{DIGEST}", "nginx"),
        (f"docker.io/library/nginx{DIGEST}", "nginx"),
    ],
)
def test_an_image_that_exists_is_had(image, name):
    assert ALL.pull(image).name == name


@pytest.mark.parametrize(
    ("image", "why"),
    [
        ("nginx:1.161", "docker.io/library/nginx:1.161: not found"),
        ("docker.io/istio/examples-bookinfo-ratings-v1:1.161-typo", "not found (of docker.io/istio/examples-book"),
        ("busybox:1.99", "the sandbox's catalogue has the tags"),
        ("alpine:alpine", "not found"),
        ("curlimages/curls:8.16.0", "pull access denied, repository does not exist or may require authorization"),
        ("mongo:7", "its catalogue has all-in-one, alpine, busybox, curl, curl-ssl"),
        ("nosuchregistry.invalid/other/nginx:1.27", "lookup nosuchregistry.invalid: no such host"),
        ("ghcr.io/istio/pilot:1.31.1", "pull access denied"),
    ],
)
def test_an_image_that_does_not_exist_fails_as_a_pull_does(image, why):
    with pytest.raises(catalogue.PullError) as refusal:
        ALL.pull(image)
    assert why in str(refusal.value)
    assert not isinstance(refusal.value, catalogue.InvalidNameError)


def test_a_name_that_no_runtime_reads_is_told_apart():
    with pytest.raises(catalogue.InvalidNameError, match='couldn\'t parse image name "nginx:": invalid reference'):
        ALL.pull("nginx:")


@pytest.mark.parametrize(
    ("tags", "all_of_them"),
    [
        ("1.0.0-2 edge", {"1.0.0", "1.0.1", "1.0.2", "edge"}),
        ("v2.9.0-1", {"v2.9.0", "v2.9.1"}),
        ("1 latest alpine +alpine", {"1", "1-alpine", "latest", "alpine"}),
        ("terraform-14", {"terraform-14"}),
    ],
    ids=["a range", "a letter before it", "kinds", "no range"],
)
def test_tags_are_written_short(tags, all_of_them):
    assert catalogue.expanded(tags) == all_of_them


PROGRAM = catalogue.Program(name="shop", entry="m:main", names=frozenset({"shop", "serve"}))
MACHINES = catalogue.Program(name="own", prefix=["python3", "own.py"], names=frozenset({"own"}))


@pytest.mark.parametrize(
    ("program", "command", "args", "runs"),
    [
        (PROGRAM, [], [], ("m:main", [])),
        (PROGRAM, [], ["--port", "1"], ("m:main", ["--port", "1"])),
        (PROGRAM, ["/bin/shop"], ["--port", "1"], ("m:main", ["/bin/shop", "--port", "1"])),
        (PROGRAM, ["serve"], [], ("m:main", ["serve"])),
        (PROGRAM, ["/scripts/start"], ["x"], ("", ["/scripts/start", "x"])),
        (PROGRAM, [], ["sleep", "9"], (catalogue.COMMANDS["apps"]["sleep"], ["sleep", "9"])),
        (PROGRAM, ["/bin/sh", "-c"], ["x"], (catalogue.COMMANDS["apps"]["sh"], ["/bin/sh", "-c", "x"])),
        (MACHINES, [], [], ("", ["python3", "own.py"])),
        (MACHINES, [], ["--fast"], ("", ["python3", "own.py", "--fast"])),
        (MACHINES, ["other"], ["x"], ("", ["other", "x"])),
    ],
)
def test_a_command_replaces_the_images_program_and_args_go_to_it(program, command, args, runs):
    assert program.run(command, args) == runs


@pytest.mark.parametrize("module", ALL.modules)
def test_every_module_of_the_catalogue_loads(module):
    importlib.import_module(module)


def test_what_runs_once_is_not_loaded_for_everybody():
    assert ALL.pull("docker.io/istio/pilot:1.31.1").entry.startswith("labkit.sandbox.istiod.istiod")
    assert "labkit.sandbox.istiod.istiod" not in ALL.modules


def own(home, text):
    (home / "images.yaml").write_text(text)
    return catalogue.load(home)


def test_a_user_adds_an_image_with_a_line(tmp_path):
    line = 'images: [{images: [me/shop], run: [python3, shop.py, "8080"], folder: /srv/shop}]\n'
    program = own(tmp_path, line).pull("me/shop:any")
    assert (program.run([], []), program.folder) == (("", ["python3", "shop.py", "8080"]), "/srv/shop")


def test_the_documents_example_is_taken(tmp_path):
    page = (settings.CHECKOUT / "docs/images.md").read_text()
    example = page.partition("```yaml\n")[2].partition("```")[0]
    assert own(tmp_path, example).pull("me/shop:1.0").folder == "/opt/shop"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("images: [{images: [me/shop]}]", "needs either entry or run"),
        ("images: [{images: [me/shop], runs: [a]}]", "no other keys"),
        ("images: [{images: ['me/Shop'], run: [a]}]", "must be lowercase"),
        ("images: [{images: [me/shop], run: [a], commands: all}]", "commands must be one of"),
        ("images: [", "is not used"),
    ],
)
def test_a_line_that_is_wrong_is_told_to_whoever_misses_the_image(tmp_path, text, why):
    with pytest.raises(catalogue.PullError) as refusal:
        own(tmp_path, text).pull("me/shop")
    assert "images.yaml is not used" in str(refusal.value)
    assert why in str(refusal.value)
