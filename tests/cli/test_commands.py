"""up, status, env, demo, run and down, in the order in which a person meets them."""

import json
import subprocess
import sys
import urllib.request

import nbformat
import pytest

from labkit.base import processes
from labkit.install import istio
from labkit.kube import client

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def up(typed):
    """The lab is up; what ``up`` printed."""
    return typed("up", "--no-browser", "--no-jupyter")


def status(typed):
    return json.loads(typed("status", "--json"))


def test_before_up_status_says_what_to_type(typed):
    assert "Next: ./lab up" in typed("status", fails=True)


def test_up_shows_each_step_with_its_time_and_ends_with_addresses(up):
    assert up.count("✓") == 4
    assert "/productpage" in up
    assert "./lab down" in up


def test_bookinfo_answers_at_the_address_that_status_names(typed, up):
    with urllib.request.urlopen(f"{status(typed)['gateway_url']}/productpage") as reply:
        assert reply.status == 200


def test_a_second_up_starts_nothing_again(typed, up):
    before = {p["pid"] for p in status(typed)["processes"]}
    typed("up", "--no-browser", "--no-jupyter")
    assert {p["pid"] for p in status(typed)["processes"]} == before


def test_status_lists_every_process_with_its_memory(typed, up):
    facts = status(typed)
    names = [p["name"] for p in facts["processes"]]
    assert sum("istio-proxy" in name for name in names) == 7
    assert facts["total_pss_bytes"] == sum(p["pss_bytes"] for p in facts["processes"])
    assert "MiB" in typed("status")


def test_the_kubeconfig_is_readable_by_its_owner_alone(typed, up):
    assert typed.paths.kubeconfig.stat().st_mode & 0o077 == 0
    assert typed.paths.home.stat().st_mode & 0o077 == 0


def test_env_makes_plain_kubectl_work(typed, up):
    lines = [line.removeprefix("export ") for line in typed("env").splitlines()]
    env = {name: value.strip("'") for name, _, value in (line.partition("=") for line in lines)}
    printed = subprocess.run(["kubectl", "get", "pods"], env=env, capture_output=True, text=True, check=True)
    assert printed.stdout.count("2/2") == 6


def test_the_demo_measures_what_it_asks_for(typed, up):
    printed = typed("demo", "--count", "200")
    assert printed.count("inside") == 3


def test_run_names_the_cell_that_failed_and_why(typed, up, tmp_path):
    cells = [nbformat.v4.new_code_cell("fine = 1"), nbformat.v4.new_code_cell("1 / 0")]
    path = tmp_path / "99-broken.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    printed = typed("run", str(path), fails=True)
    assert "cell 2 of 2 failed" in printed
    assert "ZeroDivisionError" in printed


def test_down_leaves_no_process_and_up_brings_everything_back(typed, up):
    pids = [p["pid"] for p in status(typed)["processes"]]
    assert "kept" in typed("down")
    assert [pid for pid in pids if processes.is_alive(pid)] == []
    typed("up", "--no-browser", "--no-jupyter")
    assert status(typed)["gateway_url"]


def test_the_gateway_has_the_address_that_up_printed_after_istio_was_installed_again(typed, up):
    address = status(typed)["gateway_url"]
    api = client.Client.from_kubeconfig(typed.paths.kubeconfig)
    istio.remove(api)
    istio.install(api)
    assert status(typed)["gateway_url"] == address


def test_forget_starts_over(typed, up):
    typed("down", "--forget")
    assert not typed.paths.kubeconfig.exists()
    typed("up", "--no-browser", "--no-jupyter", "--empty")
    assert status(typed)["gateway_url"] is None


def test_another_cluster_that_is_not_there_is_named(typed, tmp_path):
    printed = typed("up", "--no-browser", "--kubeconfig", str(tmp_path / "nope"), fails=True)
    assert "nope" in printed
    assert "Traceback" not in printed


def test_the_module_is_the_script():
    done = subprocess.run([sys.executable, "-m", "labkit", "--help"], capture_output=True, text=True, check=True)
    assert "./lab" in done.stdout
