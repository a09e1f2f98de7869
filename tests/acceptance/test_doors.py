"""No door of a lab opens to a stranger, to another Host or to another Origin, except those that README lists."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.base import settings
from labkit.cli import jupyter
from labkit.clusters import sandbox as sandboxes
from labkit.kube import resources
from tests.acceptance import doors

pytestmark = pytest.mark.sandbox

LOGIN = "302 to /login"
REFUSALS = {"400", "401", "403", "404", "405", "407", LOGIN, "closed", "refused"}
"""404 is what a server says of a path that it does not have, 405 of a method; both give nothing."""


@pytest.fixture(scope="module")
def lab(sandbox):
    """The run's sandbox with Bookinfo, and JupyterLab beside it."""
    jupyter.start(sandbox.paths)
    pods = {ip for pod in sandbox.client.list(resources.PODS) if (ip := pod.get("status", {}).get("podIP"))}
    yield doors.Lab(
        api_port=sandboxes.running(sandbox.paths)["port"],
        jupyter_port=jupyter.running(sandbox.paths)["port"],
        pods=pods,
    )
    jupyter.stop(sandbox.paths)


@pytest.fixture(scope="module")
def listening(lab, sandbox):
    """Every door."""
    result = doors.of([sandboxes.running(sandbox.paths)["pid"], jupyter.running(sandbox.paths)["pid"]])
    assert len(result) > 20
    return result


def closed(listening, lab):
    return [(door, doors.name(door, lab)) for door in listening if doors.name(door, lab) in doors.CLOSED]


def knock(knocks):
    """What a program of another user is answered."""
    program = Path(__file__).with_name("stranger.py")
    done = subprocess.run(
        [sys.executable, str(program)],
        input=json.dumps(knocks),
        capture_output=True,
        text=True,
        check=True,
        timeout=170,
    )
    return json.loads(done.stdout)["answers"]


def request(door, name, path, **headers):
    """A knock in HTTP, over TLS where the door speaks it."""
    lines = [f"GET {path} HTTP/1.1", *(f"{key.replace('_', '-')}: {value}" for key, value in headers.items()), "", ""]
    return {"address": door.address, "port": door.port, "tls": name == doors.API, "text": "\r\n".join(lines)}


SECRETS = {
    doors.API: ("/api/v1/secrets", "/", "/api/v1/nodes", "/openapi/v2"),
    doors.FORWARDER: ("http://productpage.default:9080/", "http://localhost:15000/config_dump"),
    doors.JUPYTERLAB: ("/api/contents", "/api/terminals", "/api/kernels", "/api/sessions", "/files/README.md"),
}


def test_every_door_is_one_that_readme_lists(listening, lab):
    unknown = [f"{door.address}:{door.port}" for door in listening if doors.name(door, lab) is None]
    assert unknown == []


def test_readme_lists_these_doors_and_no_others():
    section = (settings.CHECKOUT / "README.md").read_text().partition("## Doors\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+?) +\|", section, re.MULTILINE)[1:]
    assert set(rows) == doors.CLOSED | doors.OFFERED | set(doors.STILL_OPEN)


def test_every_door_is_on_a_loopback_address(listening):
    assert [door.address for door in listening if not door.address.startswith("127.")] == []


def test_nobody_listens_where_envoys_are_ruled_and_traffic_is_captured(listening, lab):
    """A socket of the pod's owner alone has taken the place of each."""
    assert [door for door in listening if door.address in lab.pods and door.port in (15000, 15001)] == []


def test_a_stranger_without_credentials_is_refused(listening, lab):
    knocks = [
        request(door, name, path, Host=f"127.0.0.1:{door.port}")
        for door, name in closed(listening, lab)
        for path in SECRETS[name]
    ]
    answers = knock(knocks)
    assert answers and set(answers) <= {"401", "403", "407", LOGIN}, list(zip(knocks, answers, strict=True))


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "rebound.example:{port}"},
        {"Host": "127.0.0.1:{port}", "Origin": "https://evil.example"},
        {"Host": "127.0.0.1:{port}", "Origin": "null"},
    ],
    ids=["by another host", "from another origin", "from a sandboxed frame"],
)
def test_a_web_page_is_refused(listening, lab, headers):
    knocks = [
        request(door, name, path, **{key: value.format(port=door.port) for key, value in headers.items()})
        for door, name in closed(listening, lab)
        for path in SECRETS[name]
    ]
    answers = knock(knocks)
    assert answers and set(answers) <= REFUSALS, list(zip(knocks, answers, strict=True))


def test_credentials_do_not_help_a_rebound_name(listening, lab, sandbox):
    """A browser that has the cookie, or a program that was given the token, and the name of another site."""
    token = jupyter.token(sandbox.paths)
    knocks = [
        request(door, name, path, Host=f"rebound.example:{door.port}", Authorization=f"token {token}")
        for door, name in closed(listening, lab)
        if name == doors.JUPYTERLAB
        for path in SECRETS[name]
    ]
    assert set(knock(knocks)) == {"403"}


def test_what_does_not_speak_http_is_refused_too(listening, lab):
    knocks = [
        {"address": door.address, "port": door.port, "tls": False, "text": "\0\1\2 hello\r\n\r\n"}
        for door, _ in closed(listening, lab)
    ]
    assert set(knock(knocks)) <= REFUSALS


def test_no_secret_of_the_lab_is_where_others_read(sandbox, lab):
    """Command lines are everybody's; environments and logs find their way into reports."""
    secrets = [jupyter.token(sandbox.paths), (sandbox.paths.state / "pki" / "admin.token").read_text()]
    places = [p for pid in Path("/proc").iterdir() if pid.name.isdigit() for p in (pid / "cmdline", pid / "environ")]
    texts = {str(place): text(place) for place in [*places, *sandbox.paths.logs.rglob("*")] if place.is_file()}
    assert [place for place, data in texts.items() for secret in secrets if secret.encode() in data] == []


def text(place):
    try:
        return place.read_bytes()
    except OSError:
        return b""
