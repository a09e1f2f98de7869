"""The table of a sandbox's processes."""

from labkit.clusters import sandbox


def test_a_program_that_a_container_started_bears_its_name():
    parents = {2: 1, 3: 1, 4: 3, 5: 4, 6: 2}
    names = sandbox.named(1, [2, 3, 6, 4, 5], parents, {3: "istio-system/prometheus/server"})
    server = "istio-system/prometheus/server"
    assert names == {1: "sandbox", 2: "launcher", 3: server, 4: server, 5: server, 6: "launcher"}
