"""``./lab up --cluster kind`` as a person types it: kind, docker and istioctl are played, the cluster is a sandbox."""

import json
import os
import signal
import subprocess
import sys

import pytest
import yaml

from labkit.base import settings, waiting
from labkit.clusters import capabilities
from labkit.install import addresses
from labkit.kube import resources

pytestmark = pytest.mark.sandbox

DOCKER = """#!/bin/sh
case "$1 $2" in
"info --format") echo '{"ServerVersion":"29.1.3","MemTotal":17179869184,"NCPU":8,"CgroupVersion":"2"}';;
*) echo "Error: No such image" >&2; exit 1;;
esac
"""

KIND = """#!/bin/sh
echo "$*" >> "$HERE/asked"
case "$1 $2" in
version*) echo "kind v0.33.0 go1.26.2 linux/amd64";;
"get clusters") cat "$HERE/clusters" 2>/dev/null || true;;
"create cluster") cat > "$HERE/config"
  if [ -e "$HERE/slow" ]; then rm "$HERE/slow"; echo labkit > "$HERE/clusters"; sleep 100; fi
  if [ -e "$HERE/interrupted" ]; then echo labkit > "$HERE/clusters"; rm "$HERE/interrupted"
    echo "ERROR: failed to create cluster: toomanyrequests: pull rate limit" >&2; exit 1; fi
  while [ "$1" != --kubeconfig ]; do shift; done; cp "$HERE/kubeconfig" "$2"; echo labkit > "$HERE/clusters";;
"delete cluster") rm -f "$HERE/clusters";;
esac
"""


@pytest.fixture(scope="module")
def kind(sandbox, tmp_path_factory):
    """``./lab`` on a machine with these programs, and the folder in which they write down what they were asked."""
    here = tmp_path_factory.mktemp("kind")
    paths = settings.Paths(home=here / "home")
    document = yaml.safe_load(sandbox.kubeconfig.read_text())
    document["contexts"][0]["name"] = document["current-context"] = "kind-labkit"
    (here / "kubeconfig").write_text(yaml.safe_dump(document))
    (here / "slow").touch()
    paths.tools.mkdir(parents=True)
    for name, text in (("kind", KIND), ("docker", DOCKER), ("istioctl", "#!/bin/sh\necho 1.31.3\n")):
        (paths.tools / name).write_text(text)
        (paths.tools / name).chmod(0o755)

    def lab(*words, until=None):
        """Exit code and output; with ``until`` a person types Ctrl-C once that file is there."""
        command = subprocess.Popen(
            [sys.executable, "-m", "labkit", *words],
            env=os.environ | {"LABKIT_HOME": str(paths.home), "HERE": str(here), "LABKIT_KUBECONFIG": ""},
            cwd=settings.CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        with command:
            if until:
                waiting.until(until.exists, what=str(until), timeout=60.0, next_step="", every=0.02)
                os.killpg(command.pid, signal.SIGINT)
            printed, _ = command.communicate(timeout=150)
        return command.returncode, printed

    yield lab, here
    gone = {capabilities.OWNED_BY: None, addresses.HOST_PORTS: None}
    sandbox.client.patch(resources.NAMESPACES, "kube-system", None, {"metadata": {"annotations": gone}})


UP = ("up", "--cluster", "kind", "--no-browser", "--no-jupyter")


def test_from_an_interrupted_creation_to_a_course_and_back(kind, sandbox):
    lab, here = kind
    code, printed = lab(*UP, until=here / "clusters")
    assert code == 130 and "Stopped by you" in printed, printed
    assert json.loads((here / "home/kind.json").read_text())["is_created"] is False

    (here / "interrupted").touch()
    code, printed = lab(*UP)
    assert code == 1 and "delete what an interrupted creation left" in printed, printed
    assert "toomanyrequests" in printed and "./lab images load DIR" in printed
    assert not (here / "home/cluster.json").exists(), "what failed is not chosen"

    code, printed = lab(*UP, "--empty")
    assert code == 0 and "delete what an interrupted creation left" in printed, printed
    assert "istioctl" not in printed and "/productpage" not in printed, "the cluster alone, so that a cache can be set"

    code, printed = lab("up", "--no-browser", "--no-jupyter")
    assert code == 0 and "Istio by istioctl" in printed and "/productpage" in printed, printed
    system = sandbox.client.get(resources.NAMESPACES, "kube-system")
    assert resources.annotations_of(system)[capabilities.OWNED_BY] == "labkit"
    mapped = yaml.safe_load((here / "config").read_text())["nodes"][0]["extraPortMappings"]
    assert {p["containerPort"] for p in mapped} == {30080, 30443, 30021}

    asked = (here / "asked").read_text().count("create cluster")
    code, printed = lab("up", "--no-browser", "--no-jupyter")
    assert code == 0 and (here / "asked").read_text().count("create cluster") == asked, "again finds everything"

    code, printed = lab("status", "--json")
    facts = json.loads(printed)
    assert (code, facts["running"], facts["context"]) == (0, True, "kind-labkit")
    assert lab("down", "--forget", "--yes")[0] == 0
    assert not (here / "clusters").exists() and not (here / "home/cluster.json").exists()
