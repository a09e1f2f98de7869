"""Every image has a program that can be loaded and run, and the programs stay light."""

import importlib
import inspect
import os
import signal
import subprocess
import sys
import urllib.request

import pytest

from labkit.sandbox import apps
from labkit.sandbox.apps import helloworld, tcpecho
from labkit.sandbox.kubelet import catalogue

IMAGES = catalogue.load().images
OURS = [image.program for image in IMAGES.values() if image.program.kit == "apps"]
PRELOADED = sorted(program.entry for program in OURS if program.name not in catalogue.ALONE)
ENTRIES = sorted({program.entry for program in OURS} | set(apps.COMMANDS.values()))


@pytest.mark.parametrize("entry", ENTRIES)
def test_entries_are_functions_of_arguments_and_environment(entry):
    module, _, name = entry.partition(":")
    function = getattr(importlib.import_module(module), name)
    assert list(inspect.signature(function).parameters) == ["argv", "env"]


def test_loading_every_program_that_is_preloaded_loads_nothing_heavy_and_starts_nothing():
    every = sorted({*PRELOADED, *apps.COMMANDS.values()})
    code = (
        "import importlib, sys, threading\n"
        f"for entry in {every!r}: importlib.import_module(entry.partition(':')[0])\n"
        "print(sorted({'aiohttp', 'grpc', 'pandas', 'http.client', 'yaml'} & set(sys.modules)),"
        " threading.active_count())"
    )
    env = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert ran.stdout.strip() == "[] 1"


@pytest.fixture
def process():
    """httpbin as a process on a free port."""
    code = "import sys; from labkit.sandbox.apps import httpbin; sys.exit(httpbin.main([], {'PORT': '0'}))"
    made = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    yield made
    made.kill()
    made.wait()
    made.stdout.close()


def test_a_program_says_where_it_listens_answers_and_ends_on_sigterm(process):
    where = process.stdout.readline().strip().removeprefix("listening on ")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{where}/get", timeout=60) as reply:
        assert reply.status == 200
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0
    log = process.stdout.read()
    assert "GET /get 200" in log and log.endswith("ended by SIGTERM\n")


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_helloworld_tells_version_and_pod(world, version):
    url = world.serve(helloworld.app(version, {"HOSTNAME": "helloworld-abc"}))
    assert world.get(f"{url}/hello").body == f"Hello version: {version}, instance: helloworld-abc\n".encode()


@pytest.mark.parametrize(
    ("argv", "found"),
    [
        (["9000,9001,9002", "one"], ([9000, 9001, 9002], "one")),
        (["/bin/tcp-echo", "9000", "two"], ([9000], "two")),
        ([], ([9000, 9001], "hello")),
    ],
)
def test_tcp_echo_reads_its_arguments(argv, found):
    assert tcpecho.parse(argv) == found


def test_tcp_echo_prefixes_each_line(world, capsys):
    async def scenario() -> bytes:
        import asyncio

        loop = asyncio.get_running_loop()
        listener = await loop.create_server(lambda: tcpecho.Echo("one"), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.sockets[0].getsockname()[1])
        writer.write(b"hello\nwor")
        writer.write(b"ld\n")
        got = await reader.readline() + await reader.readline()
        writer.close()
        listener.close()
        return got

    assert world.run(scenario()) == b"one hello\none world\n"
