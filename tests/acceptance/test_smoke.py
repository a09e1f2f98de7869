"""A lab comes up, serves, takes a rule and goes down: the least that every Python must do (``tools/pythons.py``)."""

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from labkit.base import processes, programs, settings

pytestmark = pytest.mark.sandbox

SPLIT = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http: [{route: [{destination: {host: reviews}, weight: 100}]}]
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """``./lab`` as a person types it, on a lab of its own that is up, JupyterLab included."""
    home = Path(tmp_path_factory.mktemp("smoke")) / "home"

    def typed(*words, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "labkit", *words],
            env=os.environ | {"LABKIT_HOME": str(home)},
            cwd=settings.CHECKOUT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    typed("up", "--no-browser")
    yield typed
    typed("down")


def status(lab):
    return json.loads(lab("status", "--json"))


def kubectl(lab, *words, stdin=""):
    done = programs.output(
        [str(programs.beside_python("kubectl")), "--kubeconfig", status(lab)["kubeconfig"], *words],
        text=stdin,
        timeout=60,
    )
    assert done.code == 0, done.err
    return done.out


def test_bookinfo_answers(lab):
    with urllib.request.urlopen(f"{status(lab)['gateway_url']}/productpage", timeout=60) as reply:
        assert reply.status == 200


def test_kubectl_sees_every_pod_with_its_sidecar(lab):
    assert kubectl(lab, "get", "pods").count("2/2") == 6


def test_istiod_judges_a_rule_and_takes_it(lab):
    assert "reviews" in kubectl(lab, "apply", "-f", "-", stdin=SPLIT)


def test_down_leaves_nothing(lab):
    pids = [p["pid"] for p in status(lab)["processes"]]
    lab("down")
    assert not any(map(processes.is_alive, pids))
    lab("status", code=3)
