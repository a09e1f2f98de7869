"""Whom a container runs as."""

import pytest

from labkit.sandbox.kubelet import identity


def pod(security=None, **context):
    container = {"name": "app", "securityContext": security}
    meta = {"name": "p", "namespace": "shop", "uid": "u"}
    return {"metadata": meta, "spec": {"securityContext": context, "containers": [container]}}, container


@pytest.mark.parametrize(
    ("created", "image_user", "uid"),
    [
        (pod(), 0, 0),
        (pod(), 101, 101),
        (pod(), "curl_user", 100),
        (pod(runAsUser=1000), "curl_user", 1000),
        (pod({"runAsUser": 2000}, runAsUser=1000), 0, 2000),
        (pod({"runAsUser": 0}, runAsUser=1000), 0, 0),
        (pod(runAsNonRoot=True), 101, 101),
        (pod({"runAsUser": 1000}, runAsNonRoot=True), 0, 1000),
        (pod({"runAsNonRoot": False}, runAsNonRoot=True), 0, 0),
    ],
)
def test_the_container_says_it_then_the_pod_then_the_image(created, image_user, uid):
    assert identity.uid(*created, image_user) == uid


@pytest.mark.parametrize(
    ("created", "image_user", "why"),
    [
        (pod(runAsNonRoot=True), 0, "container has runAsNonRoot and image will run as root"),
        (pod({"runAsNonRoot": True}), 0, "container has runAsNonRoot and image will run as root"),
        (pod({"runAsUser": 0}, runAsNonRoot=True), 101, "container's runAsUser breaks non-root policy"),
        (pod(runAsNonRoot=True), "curl_user", "image has non-numeric user (curl_user), cannot verify user is non-root"),
    ],
)
def test_what_must_not_be_root_does_not_run_as_root(created, image_user, why):
    with pytest.raises(identity.PolicyError) as refusal:
        identity.uid(*created, image_user)
    assert why in str(refusal.value)
    assert str(refusal.value).endswith('(pod: "p_shop(u)", container: app)')


@pytest.mark.parametrize(
    ("capabilities", "kept"),
    [
        ({}, set(identity.CAPABILITIES)),
        ({"drop": ["ALL"]}, {"NET_BIND_SERVICE"}),
        ({"drop": ["CAP_CHOWN", "KILL"]}, set(identity.CAPABILITIES) - {"CHOWN", "KILL"}),
        ({"add": ["SYS_ADMIN"]}, set(identity.CAPABILITIES)),
    ],
    ids=["what containerd leaves", "none but the ports", "without two", "never more"],
)
def test_capabilities_are_dropped_and_never_added(capabilities, kept):
    _, container = pod({"capabilities": capabilities})
    assert set(identity.capabilities(container)) == {identity.CAPABILITIES[name] for name in kept}
