"""What is run by ``exec``: curl, fortio, and the machine's own commands."""

import asyncio
import io
import json
import subprocess
import sys

import pytest

from labkit.sandbox.apps import calls, curl, exchange, fortio, httpbin

NO_POD: dict[str, str] = {}


@pytest.fixture
def url(world):
    return world.serve(httpbin.handle)


@pytest.fixture
def run(world):
    """Run our own curl; exit code and output."""

    def run(*words, env=NO_POD):
        out = io.BytesIO()
        return world.run(asyncio.to_thread(curl.run, words, env, out=out)), out.getvalue().decode()

    return run


def test_curl_prints_the_status_that_lessons_ask_for(run, url):
    assert run("-s", "-o", "/dev/null", "-w", "%{http_code}\\n", f"{url}/status/503") == (0, "503\n")


def test_short_flags_may_be_joined(run, url):
    assert run("-sSo/dev/null", "-w%{http_code}", f"{url}/get") == (0, "200")


def test_headers_and_data_make_a_post(run, url):
    _, text = run("-s", "-H", "X-A: 1", "-H", "Accept:", "-d", "a=1", "--data", "b=2", f"{url}/post")
    document = json.loads(text)
    assert (document["form"], document["headers"]["X-A"]) == ({"a": ["1"], "b": ["2"]}, ["1"])
    assert "Accept" not in document["headers"]


def test_data_may_go_into_the_query(run, url):
    assert json.loads(run("-sG", "-d", "a=1", f"{url}/get")[1])["args"] == {"a": ["1"]}


def test_redirects_are_followed_when_asked(run, url):
    assert run("-s", "-w", "%{http_code}", f"{url}/redirect/1")[1] == "302"
    assert json.loads(run("-sL", f"{url}/redirect/2")[1])["url"] == f"{url}/get"


def test_cookies_are_kept_in_a_jar(run, url, tmp_path):
    jar = str(tmp_path / "jar")
    run("-s", "-c", jar, f"{url}/cookies/set?user=jason")
    assert json.loads(run("-s", "-b", jar, f"{url}/cookies")[1])["cookies"] == {"user": "jason"}


def test_head_shows_the_headers(run, url):
    assert run("-sI", f"{url}/get")[1].startswith("HTTP/1.1 200 OK\r\ncontent-type: application/json")


def test_a_pod_calls_by_its_door(run, world, mesh, behind):
    mesh.answers["http://httpbin:8000/get"] = exchange.text("by the door")
    assert run("-s", "http://httpbin:8000/get", env=behind) == (0, "by the door")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param(["--no-such", "http://127.0.0.1/"], 2, id="an unknown option"),
        pytest.param(["-s"], 2, id="no URL"),
        pytest.param(["-s", "-H"], 2, id="an option without its value"),
        pytest.param(["-s", "http://127.0.0.1:1/"], 7, id="nobody listens"),
        pytest.param(["-s", "--max-time", "0.05", "URL/delay/1"], 28, id="too slow"),
        pytest.param(["-sf", "URL/status/404"], 22, id="-f and an error"),
    ],
)
def test_exit_codes_are_curls(run, url, words, code):
    assert run(*(word.replace("URL", url) for word in words))[0] == code


def test_fortio_options_may_be_joined_by_an_equals_sign():
    options, url = fortio.parse(["-c", "3", "-qps=0", "-quiet", "-n", "30", "-H", "A: b", "-H", "C: d", "x:1/get"])
    assert (options["c"], options["qps"], options["n"], options["H"]) == (
        ["3"],
        ["0"],
        ["30"],
        ["A: b", "C: d"],
    )
    assert url == "http://x:1/get"
    assert fortio.plan_of(options) == calls.Plan(workers=3, count=30, rate=None, duration=None, limit=3.0)


def test_fortio_without_a_count_runs_for_a_time():
    assert fortio.plan_of({"t": ["500ms"], "qps": ["20"]}).duration == 0.5


@pytest.mark.parametrize("words", [["load"], ["load", "-c"], ["load", "-c", "x", "http://a/"], ["stat", "x"]])
def test_fortio_says_what_is_wrong(words, capsys):
    assert fortio.main(words, {}) == 1
    assert capsys.readouterr().err.startswith("fortio: ")


def test_fortio_counts_every_status(world, url, capsys):
    plan = calls.Plan(workers=2, count=20)
    outcomes = []
    world.run(calls.run(fortio._call({}, f"{url}/status/503", NO_POD), plan, outcomes.append))
    assert "Code 503 : 20 (100.0 %)" in fortio.report(outcomes, workers=2)


@pytest.mark.parametrize(
    ("command", "code", "text"),
    [
        (["/bin/sh", "-c", "echo $A; exit 3"], 3, "b\n"),
        (["no-such-command"], 127, ""),
    ],
)
def test_system_commands_replace_the_process(command, code, text):
    # In a program of its own: a fork of this one would take gRPC's threads along.
    program = "import sys; from labkit.sandbox.apps import system; sys.exit(system.main(sys.argv[1:], {'A': 'b'}))"
    ended = subprocess.run([sys.executable, "-c", program, *command], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (code, text)
