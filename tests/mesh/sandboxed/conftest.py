"""A real Envoy that runs what a real istiod sends, with stand-ins for the app and for the sandbox's network."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.sandbox.network import addresses
from labkit.sandbox.proxy import agent
from tests.mesh.sandboxed import running


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Pod]:
    """The pod reviews-v1; ratings is a stranger of the same block."""
    if agent.envoy() is None:
        pytest.skip("there is no Envoy for this platform")
    folder: Path = tmp_path_factory.mktemp("pod")
    with addresses.hold_block() as block, running.pod(folder, block) as found:
        yield found
