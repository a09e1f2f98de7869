"""StatefulSets: names that stay, order, partitions, claims."""

import pytest

from labkit.kube import resources
from labkit.sandbox.controllers import revisions, statefulset_plan
from labkit.sandbox.controllers.statefulset_plan import Seen

SETS, PODS = resources.STATEFUL_SETS, resources.PODS
NOW = "2026-01-01T00:01:00Z"


def owner(replicas=2, *, template="v1", status=None, **spec):
    body = {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "c", "image": template}]}}
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": "db"}},
        "template": body,
        "serviceName": "db",
        **spec,
    }
    metadata = {"name": "db", "namespace": "shop", "uid": "u", "generation": 1}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec, "status": status or {}}


def revision(name="v1"):
    return {"metadata": {"name": name}, "data": revisions.data_of(owner(template=name)), "revision": 1}


def pod(number, *, ready=True, phase="Running", of="v1", leaving=False):
    ready_condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": "2026-01-01T00:00:50Z"}
    metadata = {"name": f"db-{number}", "uid": f"p{number}", "labels": {"controller-revision-hash": of}}
    if leaving:
        metadata["deletionTimestamp"] = NOW
    return {"metadata": metadata, "spec": {}, "status": {"phase": phase, "conditions": [ready_condition]}}


def step(pods, *, current="v1", update="v1", **of):
    plan = statefulset_plan.plan(
        Seen(owner=owner(**of), pods=pods, current=revision(current), update=revision(update), now=NOW)
    )
    names = [p["metadata"]["name"] for p in plan.create], [p["metadata"]["name"] for p in plan.delete]
    return tuple(" ".join(n) for n in names)


PARALLEL = {"podManagementPolicy": "Parallel"}
ROLLING = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}}


@pytest.mark.parametrize(
    ("pods", "of", "expected"),
    [
        ([], {}, ("db-0", "")),
        ([pod(0, ready=False)], {}, ("", "")),
        ([pod(0)], {}, ("db-1", "")),
        ([pod(1)], {}, ("db-0", "")),
        ([pod(0), pod(1)], {}, ("", "")),
        ([pod(0)], {"minReadySeconds": 30}, ("", "")),
        ([], PARALLEL, ("db-0 db-1", "")),
        ([pod(0, phase="Failed")], {}, ("", "db-0")),
        ([pod(0, phase="Failed", leaving=True)], {}, ("", "")),
        ([], {"ordinals": {"start": 5}}, ("db-5", "")),
    ],
    ids=[
        "the first",
        "waits for the first",
        "the second",
        "a gap is filled",
        "enough",
        "waits until it is available",
        "all at once",
        "one that ended is replaced",
        "and waited for",
        "another first ordinal",
    ],
)
def test_pods_are_made_in_order(pods, of, expected):
    assert step(pods, **of) == expected


@pytest.mark.parametrize(
    ("pods", "of", "expected"),
    [
        ([pod(0), pod(1), pod(2)], {"replicas": 1}, ("", "db-2")),
        ([pod(0), pod(1), pod(2, leaving=True)], {"replicas": 1}, ("", "")),
        ([pod(0, ready=False), pod(1)], {"replicas": 1}, ("", "")),
        ([pod(0), pod(1), pod(2)], {"replicas": 1, **PARALLEL}, ("", "db-2 db-1")),
    ],
    ids=["the last first", "and waited for", "not while another is unwell", "all at once"],
)
def test_pods_beyond_the_range_go_in_order(pods, of, expected):
    assert step(pods, **of) == expected


@pytest.mark.parametrize(
    ("pods", "of", "expected"),
    [
        ([pod(0), pod(1)], ROLLING, ("", "db-1")),
        ([pod(0), pod(1, of="v2", ready=False)], ROLLING, ("", "")),
        ([pod(0), pod(1, of="v2")], ROLLING, ("", "db-0")),
        ([pod(0), pod(1)], {"updateStrategy": {"type": "OnDelete"}}, ("", "")),
        ([pod(0), pod(1, of="v2")], {"updateStrategy": {"rollingUpdate": {"partition": 1}}}, ("", "")),
        ([pod(0), pod(1)], {**ROLLING, **PARALLEL}, ("", "db-1")),
    ],
    ids=[
        "the last first",
        "one at a time",
        "then the next",
        "only when deleted",
        "down to the partition",
        "in parallel sets too",
    ],
)
def test_a_new_template_is_rolled_out_from_the_last_to_the_first(pods, of, expected):
    assert step(pods, update="v2", **of) == expected


def test_a_pod_below_the_partition_comes_back_as_it_was():
    of = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}}
    seen = Seen(owner=owner(**of), pods=[], current=revision("v1"), update=revision("v2"), now=NOW)
    images = [statefulset_plan.pod_at(seen, n)["spec"]["containers"][0]["image"] for n in (0, 1)]
    assert images == ["v1", "v2"]


@pytest.mark.parametrize(
    ("policy", "ordinal", "owners"),
    [
        ({}, 0, []),
        ({"whenDeleted": "Delete"}, 0, ["StatefulSet"]),
        ({"whenScaled": "Delete"}, 0, []),
        ({"whenScaled": "Delete"}, 7, ["Pod"]),
        ({"whenScaled": "Delete", "whenDeleted": "Delete"}, 7, ["Pod"]),
    ],
    ids=["kept", "goes with the set", "kept while its pod is", "goes with its pod", "both"],
)
def test_claims_go_as_the_retention_policy_says(policy, ordinal, owners):
    result = owner(persistentVolumeClaimRetentionPolicy=policy)
    seen = Seen(owner=result, pods=[], current=revision(), update=revision(), now=NOW)
    one = {"apiVersion": "v1", "kind": "Pod", **pod(ordinal)}
    assert [r["kind"] for r in statefulset_plan.claim_owners(seen, one, [])] == owners


def set_of(replicas=2, image="a:1", **spec):
    spec = owner(replicas, template=image, **spec)["spec"]
    return {"metadata": {"name": "db"}, "spec": spec}


def is_rolled_out(result):
    state = result.get("status", {})
    counts = {state.get(n, 0) for n in ("replicas", "readyReplicas", "updatedReplicas", "currentReplicas")}
    return state.get("observedGeneration") == result["metadata"]["generation"] and counts == {
        result["spec"]["replicas"]
    }


def names(pods):
    return sorted(map(resources.name_of, pods))


def test_a_set_is_made_scaled_and_taken_back(place):
    place.create(SETS, set_of(3))
    place.until(SETS, "db", is_rolled_out)
    assert names(place.list(PODS)) == ["db-0", "db-1", "db-2"]
    pod = place.get(PODS, "db-1")
    assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("db-1", "db")
    place.patch(SETS, "db", {"spec": {"replicas": 1}}, subresource="scale")
    place.until_listed(PODS, lambda listed: names(listed) == ["db-0"])


def test_a_deleted_pod_comes_back_under_its_name(place):
    place.create(SETS, set_of(2))
    place.until(SETS, "db", is_rolled_out)
    before = resources.uid_of(place.get(PODS, "db-0"))
    place.client.delete(PODS, "db-0", place.name)
    place.until(PODS, "db-0", lambda obj: resources.uid_of(obj) != before)
    place.until(SETS, "db", is_rolled_out)


def test_a_template_is_rolled_out_and_an_older_one_is_found_again(place):
    place.create(SETS, set_of(2))
    first = place.until(SETS, "db", is_rolled_out)["status"]["currentRevision"]
    place.patch(SETS, "db", {"spec": set_of(2, "a:2")["spec"]})
    second = place.until(SETS, "db", is_rolled_out)["status"]
    assert second["currentRevision"] == second["updateRevision"] != first
    assert place.get(PODS, "db-0")["spec"]["containers"][0]["image"] == "a:2"
    place.patch(SETS, "db", {"spec": set_of(2, "a:1")["spec"]})
    assert place.until(SETS, "db", is_rolled_out)["status"]["currentRevision"] == first
    kept = place.list(resources.CONTROLLER_REVISIONS)
    assert sorted((resources.name_of(r) == first, r["revision"]) for r in kept) == [(False, 2), (True, 3)]


def test_every_pod_gets_its_claims(place):
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    place.create(SETS, set_of(2, volumeClaimTemplates=[claim]))
    place.until_listed(resources.CLAIMS, lambda listed: names(listed) == ["data-db-0", "data-db-1"])
    assert place.get(PODS, "db-0")["spec"]["volumes"][0]["persistentVolumeClaim"] == {"claimName": "data-db-0"}
