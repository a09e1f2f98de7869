"""ReplicationControllers keep pods as ReplicaSets do."""

from labkit.kube import resources

CONTROLLERS, PODS = resources.REPLICATION_CONTROLLERS, resources.PODS


def test_a_replication_controller_makes_adopts_and_scales_pods(place):
    template = {"metadata": {"labels": {"app": "rc"}}, "spec": {"containers": [{"name": "c", "image": "a:1"}]}}
    place.create(PODS, {"metadata": {"name": "stray", "labels": {"app": "rc"}}, "spec": template["spec"]})
    place.create(CONTROLLERS, {"metadata": {"name": "rc"}, "spec": {"replicas": 2, "template": template}})
    stored = place.until(CONTROLLERS, "rc", lambda rc: rc["status"].get("replicas") == 2)
    assert stored["status"]["observedGeneration"] == 1
    owners = {resources.name_of(p): resources.owner_of(p)["kind"] for p in place.list(PODS)}
    assert set(owners.values()) == {"ReplicationController"}
    assert "stray" in owners
    place.patch(CONTROLLERS, "rc", {"spec": {"replicas": 0}})
    place.until_listed(PODS, lambda pods: not pods)
