"""The table of a waypoint's listeners names each chain by the address, port and protocol that lead to it."""

from labkit.conformance import ambient, answers, scene
from labkit.istioctl.proxyconfig import waypoints
from labkit.mesh import compiler
from tests import recorded

ANSWERS = answers.Answers(recorded.AMBIENT.place)
REVIEWS = "inbound-vip|9080|http|reviews.amb.svc.cluster.local"


def test_each_host_has_its_address_and_port_and_tunnels_say_all():
    snapshot = ambient.snapshot(ambient.base(ANSWERS.extra()))
    proxy = scene.proxies(snapshot)["amb/waypoint"]
    rows = waypoints.listener_rows(list(compiler.index(snapshot).config(proxy).listeners.values()))
    assert ("envoy://main_internal", REVIEWS, "ip=ClusterIP(amb/reviews) -> port=9080", "Inline Route: /*") in rows
    assert ("envoy://connect_originate", "", "ALL", "Cluster: connect_originate") in rows
    assert ("connect_terminate", "default", "ALL", "Inline Route: *") in rows
