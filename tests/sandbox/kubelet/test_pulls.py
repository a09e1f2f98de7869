"""What a pod says of an image that cannot be had, and of a program that is not there."""

import pytest

from labkit.kube import resources
from tests.sandbox.kubelet.conftest import pod, state


def until(reason):
    """Accepts a pod whose container waits for this reason."""
    return lambda obj: state(obj)["state"]["waiting"]["reason"] == reason and state(obj)["state"]["waiting"]


@pytest.mark.parametrize(
    ("image", "policy", "reason", "message"),
    [
        ("nginx:1.161", "IfNotPresent", "ErrImagePull", "docker.io/library/nginx:1.161: not found"),
        ("nginx:1.161", "Always", "ImagePullBackOff", 'Back-off pulling image "nginx:1.161": ErrImagePull: failed to'),
        ("nginx:1.161", "Never", "ErrImageNeverPull", 'Container image "nginx:1.161" is not present with pull policy'),
        ("nginx@sha256:00", "Always", "InvalidImageName", 'couldn\'t parse image name "nginx@sha256:00": invalid'),
        ("no.invalid/a:1", "Always", "ImagePullBackOff", "lookup no.invalid: no such host"),
    ],
    ids=["tag", "tag after a while", "never pulled", "name", "registry"],
)
def test_an_image_that_cannot_be_had_is_waited_for_with_a_reason(play, image, policy, reason, message):
    async def scene(client, running):
        await client.create(resources.PODS, pod(image=image, imagePullPolicy=policy))
        obj = await client.until(resources.PODS, "one", "default", until(reason))
        return state(obj)["state"]["waiting"]["message"]

    assert message in play(scene)


def test_a_corrected_image_is_pulled(play):
    async def scene(client, running):
        await client.create(resources.PODS, pod(image="busybox:1.99"))
        await client.until(resources.PODS, "one", "default", until("ErrImagePull"))
        obj = await client.get(resources.PODS, "one", "default")
        obj["spec"]["containers"][0]["image"] = "busybox:1.36"
        await client.replace(resources.PODS, obj)
        await client.until(resources.PODS, "one", "default", lambda o: state(o)["state"]["running"])

    play(scene)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["no-such-program"], 'exec: "no-such-program": executable file not found in $PATH'),
        (["/no/such/program", "x"], 'exec: "/no/such/program": stat /no/such/program: no such file or directory'),
    ],
)
def test_a_command_that_is_not_there_never_starts(play, command, message):
    async def scene(client, running):
        await client.create(resources.PODS, pod(command=command, policy="Never"))
        obj = await client.until(resources.PODS, "one", "default", lambda o: state(o)["state"]["terminated"])
        return state(obj)["state"]["terminated"]

    end = play(scene)
    assert (end["exitCode"], end["reason"]) == (128, "StartError")
    assert end["message"].endswith(message)


def test_a_shell_without_input_ends_as_in_an_image_that_has_nothing_else(play):
    async def scene(client, running):
        obj = pod(policy="Never")
        del obj["spec"]["containers"][0]["command"]
        await client.create(resources.PODS, obj)
        done = await client.until(resources.PODS, "one", "default", lambda o: state(o)["state"]["terminated"])
        return state(done)["state"]["terminated"]["exitCode"]

    assert play(scene) == 0
