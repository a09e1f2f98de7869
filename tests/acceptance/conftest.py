"""Stock kubectl on a running sandbox, and Istio's published samples where they lie beside the checkout."""

import os
import subprocess
from pathlib import Path

import pytest

from labkit.base import programs, settings

SAMPLES = settings.CHECKOUT.parent / "shared" / "data" / "samples"


class Kubectl:
    """Runs stock kubectl on one sandbox."""

    def __init__(self, paths):
        self._env = os.environ | {"KUBECONFIG": str(paths.kubeconfig), "KUBECACHEDIR": str(paths.kube_cache)}

    def __call__(self, *words, stdin=None, fails=False):
        done = subprocess.run(
            [programs.beside_python("kubectl"), *words],
            input=stdin,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode != 0) == fails, f"kubectl {' '.join(words)}\n{done.stdout}{done.stderr}"
        return done.stderr if fails else done.stdout


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of Istio's sample manifests."""
    if not SAMPLES.is_dir():
        pytest.skip("Istio's sample manifests are not beside this checkout (../shared/data/samples)")
    return SAMPLES


@pytest.fixture(scope="session")
def kubectl(sandbox) -> Kubectl:
    """kubectl on the sandbox with Istio and Bookinfo."""
    return Kubectl(sandbox.paths)
