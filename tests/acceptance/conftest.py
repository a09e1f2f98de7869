"""Stock kubectl on a running sandbox, and Istio's published samples where they lie beside the checkout."""

from pathlib import Path

import pytest

from labkit.base import settings
from tests.kubectl import Kubectl

SAMPLES = settings.CHECKOUT.parent / "shared" / "data" / "samples"


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
