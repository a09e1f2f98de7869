"""Real Envoys that judge what the translator makes: one as a sidecar, one as a gateway."""

from collections.abc import Iterator

import pytest

from labkit.sandbox.network import addresses
from labkit.sandbox.proxy import agent
from tests.mesh import envoys


def _judge(tmp_path_factory: pytest.TempPathFactory, name: str) -> Iterator[envoys.Judge]:
    if agent.envoy() is None:
        pytest.skip("there is no Envoy for this platform")
    with addresses.hold_block() as block, envoys.Judge(tmp_path_factory.mktemp(name), block).running() as judge:
        yield judge


@pytest.fixture(scope="package")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[envoys.Judge]:
    """Judges what sidecars are told: it only hears what changes from one to the next."""
    yield from _judge(tmp_path_factory, "sidecar")


@pytest.fixture(scope="package")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[envoys.Judge]:
    """Judges what gateways are told."""
    yield from _judge(tmp_path_factory, "gateway")
