"""Envoy's copy at a fixed address does what Envoy does; what is not understood stays as it was."""

import shutil
import struct
import subprocess

import pytest

from labkit.sandbox.proxy import agent, prelinked

ENVOY = agent.packaged_envoy()

pytestmark = pytest.mark.skipif(ENVOY is None, reason="there is no Envoy for this platform")


@pytest.fixture(scope="module")
def linked(tmp_path_factory):
    assert ENVOY is not None
    copy = tmp_path_factory.mktemp("linked") / "envoy"
    shutil.copyfile(ENVOY, copy)
    prelinked.link(copy)
    copy.chmod(0o755)
    return copy


def run(program, *words):
    done = subprocess.run([str(program), *words], capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, (done.stdout + done.stderr).replace(str(program), "envoy")


def test_the_linked_envoy_takes_a_configuration(linked, tmp_path):
    file = tmp_path / "envoy.yaml"
    file.write_text("admin: {address: {pipe: {path: admin.sock}}}\n")
    words = ["--mode", "validate", "-c", str(file), "--disable-hot-restart", "-l", "error"]
    assert run(linked, *words) == run(ENVOY, *words)
    assert run(linked, *words)[0] == 0


def test_the_linked_envoy_is_the_same_build(linked):
    assert run(linked, "--version") == run(ENVOY, "--version")


def test_no_address_is_left_for_the_loader_to_compute(linked):
    with pytest.raises(prelinked.UnknownFormatError, match="kind 2"):
        prelinked.link(linked)  # its kind says that it has one place already


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"#!/bin/sh\n" + b"exit 0\n" * 20, id="a script"),
        pytest.param(b"\x7fELF\1\1" + bytes(90), id="32 bits"),
        pytest.param(b"\x7fELF\2\2" + bytes(90), id="big-endian"),
        pytest.param(b"\x7fELF\2\1" + bytes(10) + struct.pack("<HH", 3, 243) + bytes(80), id="another machine"),
        pytest.param(b"\x7fELF", id="cut off"),
    ],
)
def test_what_is_not_understood_stays_as_it_was(tmp_path, content):
    program = tmp_path / "program"
    program.write_bytes(content)
    with pytest.raises((prelinked.UnknownFormatError, struct.error)):
        prelinked.link(program)
    assert program.read_bytes() == content


def test_a_program_that_cannot_be_linked_leaves_no_copy(tmp_path):
    program = tmp_path / "script"
    program.write_text("#!/bin/sh\n")
    prelinked.prepare(program, tmp_path / "copies")
    assert [p for p in (tmp_path / "copies").rglob("*") if p.is_file()] == []
