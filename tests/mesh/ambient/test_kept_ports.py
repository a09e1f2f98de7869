"""Programs that keep their port in ambient are told of by name."""

import pytest

from labkit.mesh.ambient import ztunnel
from tests.mesh.ambient import standing


@pytest.mark.parametrize(
    ("own", "is_ready", "is_told"),
    [
        pytest.param([], True, False, id="every port handed over"),
        pytest.param([8080], True, True, id="one kept"),
        pytest.param([8080], False, False, id="not ready: it may come yet"),
    ],
)
def test_a_kept_port_is_told_of_once_the_pod_is_ready(own: list[int], is_ready: bool, is_told: bool) -> None:
    pod = standing.pod("web", "10.1.0.9", own=own)
    pod["status"]["conditions"][0]["status"] = str(is_ready)
    text = ztunnel.kept(pod)
    assert bool(text) == is_told
    assert not is_told or ("8080" in text and text.endswith("kubectl -n amb delete pod web"))
