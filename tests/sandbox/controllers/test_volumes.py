"""Claims get the smallest volume that fits, or one of the node's own."""

import pytest

from labkit.kube import resources
from labkit.kube.resources import CLAIMS, VOLUMES
from labkit.sandbox.controllers import volume_plan
from tests.sandbox.controllers.conftest import wait

STANDARD = volume_plan.STANDARD


def claim(size="1Gi", name="c", annotations=None, **spec):
    metadata = {"name": name, "namespace": "shop", "uid": "u", "annotations": annotations or {}, "resourceVersion": "1"}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec}
    return {"metadata": metadata, "spec": spec}


def volume(name="v", size="1Gi", modes=("ReadWriteOnce",), labels=None, **spec):
    spec = {"capacity": {"storage": size}, "accessModes": list(modes), **spec}
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": spec}


HELD = {"namespace": "shop", "name": "c"}


@pytest.mark.parametrize(
    ("asked", "volumes", "expected"),
    [
        (claim(), [volume("big", "5Gi"), volume("small", "2Gi")], "small"),
        (claim("3Gi"), [volume(size="2Gi")], None),
        (claim(accessModes=["ReadWriteMany"]), [volume()], None),
        (claim(), [volume(modes=["ReadWriteOnce", "ReadWriteMany"])], "v"),
        (claim(storageClassName="fast"), [volume()], None),
        (claim(storageClassName="fast"), [volume(storageClassName="fast")], "v"),
        (claim(selector={"matchLabels": {"tier": "db"}}), [volume("a"), volume("b", labels={"tier": "db"})], "b"),
        (claim(volumeMode="Block"), [volume()], None),
        (claim(), [volume(claimRef={"namespace": "shop", "name": "other"})], None),
        (claim(), [volume("a"), volume("b", "9Gi", claimRef=HELD)], "b"),
        (claim(), [volume(claimRef={**HELD, "uid": "an older one"})], None),
    ],
    ids=[
        "the smallest",
        "too small",
        "another mode",
        "one mode of two",
        "another class",
        "its class",
        "its labels",
        "another volume mode",
        "reserved for another",
        "reserved for it",
        "an older claim's of this name",
    ],
)
def test_a_claim_is_matched_with_a_volume(asked, volumes, expected):
    result = volume_plan.match(asked, volumes)
    assert (result and result["metadata"]["name"]) == expected


def step(asked, storage_class=None, volumes=()):
    result = volume_plan.next_step(asked, volumes, storage_class)
    return "provision" if result.provision else result.reason or ("bind" if result.bind else "")


SELECTED = {volume_plan.SELECTED_NODE: "sandbox"}
OTHER = {**STANDARD, "provisioner": "ebs.csi.aws.com", "volumeBindingMode": "Immediate"}


@pytest.mark.parametrize(
    ("asked", "storage_class", "expected"),
    [
        (claim(), None, "FailedBinding"),
        (claim(storageClassName="gone"), None, "ProvisioningFailed"),
        (claim(storageClassName="standard"), STANDARD, "WaitForFirstConsumer"),
        (claim(storageClassName="standard", annotations=SELECTED), STANDARD, "provision"),
        (claim(storageClassName="standard"), {**STANDARD, "volumeBindingMode": "Immediate"}, "provision"),
        (claim(storageClassName="standard"), OTHER, "ExternalProvisioning"),
    ],
    ids=["no class", "a class that is missing", "no pod yet", "its pod has a node", "at once", "another's provisioner"],
)
def test_a_claim_without_a_volume_waits_or_gets_one(asked, storage_class, expected):
    assert step(asked, storage_class) == expected


def user(name="user"):
    container = {"name": "c", "image": "a:1", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "c"}}]
    return {"metadata": {"name": name}, "spec": {"containers": [container], "volumes": volumes}}


CLAIM = {"metadata": {"name": "c"}, "spec": claim()["spec"]}


def is_bound(result):
    return result["status"]["phase"] == "Bound"


def test_a_pod_and_its_claim_get_a_volume_that_goes_with_the_claim(place):
    stored = place.create(CLAIMS, CLAIM)
    place.until(CLAIMS, "c", lambda c: c["spec"].get("storageClassName") == "standard")
    place.create(resources.PODS, user())
    place.until(resources.PODS, "user", lambda p: p["spec"].get("nodeName") == "sandbox")
    assert place.until(CLAIMS, "c", is_bound)["status"]["capacity"] == {"storage": "1Gi"}
    name = f"pvc-{resources.uid_of(stored)}"
    place.until(VOLUMES, name, is_bound)
    place.client.delete(resources.PODS, "user", place.name)
    place.client.delete(CLAIMS, "c", place.name)
    wait(lambda: place.client.find(VOLUMES, name) is None, "the end of the volume")


def test_a_pod_waits_for_a_claim_that_is_missing(place):
    place.create(resources.PODS, user())
    condition = place.until(resources.PODS, "user", lambda p: p["status"].get("conditions"))["status"]["conditions"][0]
    assert 'persistentvolumeclaim "c" not found' in condition["message"]
    place.create(CLAIMS, CLAIM)
    place.until(resources.PODS, "user", lambda p: p["spec"].get("nodeName"))


def test_a_volume_that_is_retained_is_released(place):
    name = f"{place.name}-v"
    spec = volume(hostPath={"path": "/data"}, storageClassName=place.name)["spec"]
    place.client.create(VOLUMES, {"metadata": {"name": name}, "spec": spec})
    place.create(CLAIMS, {"metadata": {"name": "c"}, "spec": claim(storageClassName=place.name)["spec"]})
    assert place.until(CLAIMS, "c", is_bound)["spec"]["volumeName"] == name
    place.client.delete(CLAIMS, "c", place.name)
    place.until(VOLUMES, name, lambda v: v["status"]["phase"] == "Released")
