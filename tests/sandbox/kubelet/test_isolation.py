"""A container has files, processes and a name of its own where the machine allows it."""

import asyncio
import ctypes
import os
import signal
from pathlib import Path

import pytest

from labkit.base import processes
from labkit.kube import resources
from labkit.sandbox.kubelet import isolation
from tests.sandbox.kubelet.conftest import is_ready, pod, state

pytestmark = pytest.mark.skipif(not isolation.is_possible(), reason="this machine allows no namespaces")

PIDFD_GETFD = 438
"""The number of this system call on every machine; Python has no name for it."""


def script(text, name="one", **more):
    """A pod whose container runs a shell text once."""
    return pod(name, command=("sh", "-c", text), policy="Never", **more)


def ended(obj):
    return state(obj)["state"]["terminated"]


@pytest.fixture
def outcome(play):
    """Run a pod to its end: its exit code and its log."""

    def run(obj, *before):
        async def scene(client, running):
            for resource, other in before:
                await client.create(resource, other)
            await client.create(resources.PODS, obj)
            name = obj["metadata"]["name"]
            done = await client.until(resources.PODS, name, "default", ended)
            (running_pods,) = running.pods.values()
            return ended(done)["exitCode"], running_pods.place.log("app", 0).read_text()

        code, text = play(scene)
        return code, [line.split(" ", 3)[-1] for line in text.splitlines()]

    return run


def test_what_a_container_writes_is_not_on_the_machine(outcome):
    mark = f"labkit-{os.getpid()}"
    code, _ = outcome(script(f"touch /tmp/{mark} /{mark} /etc/{mark} && mkdir -p /var/lib/{mark}"))
    assert code == 0
    for folder in ("/tmp", "/", "/etc", "/var/lib"):
        assert not (Path(folder) / mark).exists()


def test_the_machines_programs_cannot_be_changed(outcome):
    assert outcome(script("touch /usr/bin/labkit-mark; touch /usr/labkit-mark"))[0] != 0
    assert not Path("/usr/labkit-mark").exists()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("echo $$$$", "1"),
        ("test -d /proc/1 && ! test -d /proc/$OUTSIDE && echo alone", "alone"),
        ("hostname", "one"),
        ("id -u", "0"),
        ("ls /home | wc -l", "0"),
    ],
    ids=["the first process", "no other's processes", "its name", "root", "no other's home"],
)
def test_a_container_sees_itself(outcome, text, line):
    env = [{"name": "OUTSIDE", "value": str(os.getpid())}]
    code, lines = outcome(script(text, env=env))
    assert (code, lines[-1]) == (0, line)


@pytest.mark.parametrize(
    ("security", "text", "works"),
    [
        ({"runAsUser": 1000}, "test $(id -u) = 1000 && touch /tmp/x", True),
        ({"runAsUser": 1000, "runAsGroup": 2000}, "test $(id -g) = 2000", True),
        ({"readOnlyRootFilesystem": True}, "touch /x", False),
        ({"readOnlyRootFilesystem": True}, "touch /data/x && cat /dev/null", True),
        ({"capabilities": {"drop": ["ALL"]}}, "mount -t tmpfs none /tmp", False),
        ({}, "mount -t tmpfs none /tmp", False),
    ],
    ids=["user", "group", "a root that is only read", "a volume in it", "no capabilities", "no mounts"],
)
def test_the_security_context_is_carried_out(outcome, security, text, works):
    obj = script(text, securityContext=security, volumeMounts=[{"name": "v", "mountPath": "/data"}])
    obj["spec"]["volumes"] = [{"name": "v", "emptyDir": {}}]
    assert (outcome(obj)[0] == 0) is works


CONFIG = (
    resources.CONFIG_MAPS,
    {"kind": "ConfigMap", "metadata": {"name": "conf", "namespace": "default"}, "data": {"a": "1"}},
)


@pytest.mark.parametrize(
    ("mount", "text"),
    [
        ({"mountPath": "/cfg"}, "test $(cat /cfg/a) = 1 && ! touch /cfg/x"),
        (
            {"mountPath": "/usr/share/labkit-test/html"},
            "test $(cat /usr/share/labkit-test/html/a) = 1 && ls /usr/bin/env",
        ),
        ({"mountPath": "/cfg/one", "subPath": "a"}, "test $(cat /cfg/one) = 1"),
        ({"mountPath": "cfg"}, "test $(cat /cfg/a) = 1"),
        ({"mountPath": "/../../cfg"}, "test $(cat /cfg/a) = 1"),
    ],
    ids=["read only", "below the machine's programs", "one key", "a relative path", "a path above the root"],
)
def test_a_volume_is_where_the_container_says(outcome, mount, text):
    obj = script(text, volumeMounts=[{"name": "v", **mount}])
    obj["spec"]["volumes"] = [{"name": "v", "configMap": {"name": "conf"}}]
    assert outcome(obj, CONFIG)[0] == 0


@pytest.mark.parametrize("folder", ["/fresh/dir", "../../work", "relative/dir"])
def test_the_working_directory_is_the_containers(outcome, folder):
    code, lines = outcome(script("pwd", workingDir=folder))
    assert (code, lines[-1]) == (0, "/" + folder.replace("../", "").lstrip("/"))
    assert not Path("/fresh/dir").exists()


@pytest.mark.parametrize("path", ["/dev/termination-log", "/tmp/why", "../../tmp/why"])
def test_the_termination_message_is_read_wherever_it_was_put(play, path):
    inside = "/" + path.replace("../", "").lstrip("/")

    async def scene(client, running):
        await client.create(resources.PODS, script(f"echo because > {inside}; exit 3", terminationMessagePath=path))
        return ended(await client.until(resources.PODS, "one", "default", ended))

    assert play(scene)["message"] == "because\n"


def test_a_link_in_the_place_of_the_termination_message_shows_nothing_of_the_machine(outcome, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("hush")
    text = f"rm -f /tmp/why; ln -s {secret} /tmp/why; exit 1"
    assert outcome(script(text, terminationMessagePath="/tmp/why"))[0] == 1


MARKED = {"readinessProbe": {"exec": {"command": ["test", "-f", "/tmp/foo"]}}}


def planted(machine, *mounts):
    """A pod whose init container leaves a link to a folder of the machine in the volume that ``mounts`` then use."""
    obj = script("ls /data", volumeMounts=list(mounts))
    plant = {
        "name": "plant",
        "image": "busybox",
        "command": ["sh", "-c", f"ln -s {machine} /data/way"],
        "volumeMounts": [{"name": "v", "mountPath": "/data"}],
    }
    obj["spec"] |= {"initContainers": [plant], "volumes": [{"name": n, "emptyDir": {}} for n in ("v", "w")]}
    return obj


def test_a_sub_path_that_a_link_leads_out_of_its_volume_is_refused(play, tmp_path):
    async def scene(client, running):
        await client.create(resources.PODS, planted(tmp_path, {"name": "v", "mountPath": "/data", "subPath": "way/x"}))
        obj = await client.until(resources.PODS, "one", "default", lambda o: state(o)["state"]["waiting"]["message"])
        return state(obj)["state"]["waiting"]

    assert play(scene) == {
        "reason": "CreateContainerConfigError",
        "message": 'failed to prepare subPath for volumeMount "v" of container "app"',
    }
    assert list(tmp_path.iterdir()) == []


def test_a_mount_below_a_link_makes_nothing_on_the_machine(outcome, tmp_path):
    code, lines = outcome(
        planted(tmp_path, {"name": "v", "mountPath": "/data"}, {"name": "w", "mountPath": "/data/way/x"})
    )
    assert code == 128
    assert "way is a symbolic link" in lines[-1]
    assert list(tmp_path.iterdir()) == []


async def running_pod(client, obj):
    await client.create(resources.PODS, obj)
    return await client.until(resources.PODS, obj["metadata"]["name"], "default", is_ready)


def test_a_command_runs_inside(play):
    async def scene(client, running):
        await running_pod(client, pod(command=("sh", "-c", "echo mine > /tmp/foo; exec sleep 100"), **MARKED))
        (running_pods,) = running.pods.values()
        return await running_pods.containers["app"].execute(["sh", "-c", "cat /tmp/foo; echo $(cat /proc/1/comm)"], 60)

    assert play(scene) == (0, b"mine\nsleep\n")


def test_an_ephemeral_container_joins_a_running_pod(play):
    async def scene(client, running):
        await running_pod(client, pod(command=("sh", "-c", "touch /tmp/foo; exec sleep 100"), **MARKED))
        debugger = {"name": "debugger", "image": "busybox", "command": ["echo", "hi"]}
        await client.patch(resources.PODS, "one", "default", {"spec": {"ephemeralContainers": [debugger]}})

        def over(obj):
            (status,) = obj["status"]["ephemeralContainerStatuses"]
            return status["state"]["terminated"]

        done = await client.until(resources.PODS, "one", "default", over)
        (running_pods,) = running.pods.values()
        return over(done)["exitCode"], running_pods.place.log("debugger", 0).read_text(), is_ready(done)

    code, text, is_still_ready = play(scene)
    assert (code, text.endswith("hi\n"), is_still_ready) == (0, True, True)


def test_a_program_of_ours_is_shown_by_its_name(play):
    async def scene(client, running):
        probe = {"readinessProbe": {"tcpSocket": {"port": 8080}}}
        obj = pod(image="mccutchen/go-httpbin", args=["-port", "8080"], **probe)
        del obj["spec"]["containers"][0]["command"]
        await running_pod(client, obj)
        (running_pods,) = running.pods.values()
        return await running_pods.containers["app"].execute(["sh", "-c", "tr '\\0' ' ' < /proc/1/cmdline"], 60)

    code, text = play(scene)
    assert (code, text.split()) == (0, [b"httpbin", b"-port", b"8080"])


def test_what_a_command_leaves_running_goes_on(play):
    async def scene(client, running):
        await running_pod(client, pod(command=("sh", "-c", "touch /tmp/foo; exec sleep 100"), **MARKED))
        (running_pods,) = running.pods.values()
        held = running_pods.containers["app"]
        await held.execute(["sh", "-c", "(sleep 0.2; touch /tmp/bar) >/dev/null 2>&1 &"], 60)
        async with asyncio.timeout(60):
            while (await held.execute(["test", "-f", "/tmp/bar"], 60))[0]:  # noqa: ASYNC110 (no event tells of it)
                await asyncio.sleep(0.02)

    play(scene)


def test_a_first_process_that_knows_no_sigterm_ends_at_once(play):
    async def scene(client, running):
        began = await running_pod(client, pod(grace=600))
        begun = asyncio.get_running_loop().time()
        await client.delete(resources.PODS, "one", "default")
        await client.until(resources.PODS, "one", "default", lambda o: o is None)
        return began, asyncio.get_running_loop().time() - begun

    assert play(scene)[1] < 300


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("trap 'exit 7' TERM; touch /tmp/foo; while true; do sleep 0.05; done", 7),
        ("trap '' TERM; touch /tmp/foo; sleep 100", 137),
        ("touch /tmp/foo; sleep 100", 143),
    ],
    ids=["handles it", "ignores it", "knows it not"],
)
def test_a_container_has_time_to_end(play, text, code):
    async def scene(client, running):
        await running_pod(client, pod(command=("sh", "-c", text), grace=1, **MARKED))
        (running_pods,) = running.pods.values()
        await client.delete(resources.PODS, "one", "default")
        await client.until(resources.PODS, "one", "default", lambda o: o is None)
        return running_pods.containers["app"].observed.state["terminated"]["exitCode"]

    assert play(scene) == code


def test_a_container_outlives_a_killed_launcher_and_ends_whole_under_the_next(play):
    async def scene(client, running):
        await running_pod(client, pod(command=("sh", "-c", "sleep 1000 & sleep 1000 & touch /tmp/foo; wait"), **MARKED))
        (running_pods,) = running.pods.values()
        launcher, container = running.shared.launcher, running_pods.containers["app"]
        first, before = container.process.pid, launcher.pid
        everyone = [first, *processes.children(first)]
        os.kill(before, signal.SIGKILL)
        async with asyncio.timeout(60):
            while launcher.pid in (before, None):  # noqa: ASYNC110 (no event tells of it)
                await asyncio.sleep(0.01)
        code, _ = await container.execute(["true"], 60)
        assert (code, container.process.pid) == (0, first)
        assert all(map(processes.is_alive, everyone))
        await client.delete(resources.PODS, "one", "default")
        await client.until(resources.PODS, "one", "default", lambda o: o is None)
        assert not any(map(processes.is_alive, everyone))
        return everyone

    assert len(play(scene)) >= 3


def socket_of(pid):
    """A copy of a launcher's end of its socket, as a child has that the launcher forked in its last moment."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    theirs = int(words[words.index(b"labkit.sandbox.kubelet.launcher") + 1])
    handle = os.pidfd_open(pid)
    try:
        return ctypes.CDLL(None, use_errno=True).syscall(PIDFD_GETFD, handle, theirs, 0)
    finally:
        os.close(handle)


def test_a_launcher_is_replaced_though_its_socket_stays_open(play):
    async def scene(client, running):
        await running.shared.launcher.isolates()
        launcher = running.shared.launcher
        before, held = launcher.pid, socket_of(launcher.pid)
        assert held >= 0
        os.kill(before, signal.SIGKILL)
        await running_pod(client, pod())
        os.close(held)
        return before, launcher.pid

    before, after = play(scene)
    assert after not in (before, None)


@pytest.mark.parametrize(
    ("limit", "text", "end"),
    [
        ("50Mi", "import time; x = bytearray(200_000_000); time.sleep(60)", (137, "OOMKilled")),
        ("50Mi", "x = bytearray(10_000_000)", (0, "Completed")),
    ],
    ids=["too much", "enough"],
)
def test_a_container_that_takes_more_memory_than_it_may_is_killed(play, limit, text, end):
    async def scene(client, running):
        limits = {"resources": {"limits": {"memory": limit}}}
        await client.create(resources.PODS, pod(command=("python3", "-c", text), policy="Never", **limits))
        state = ended(await client.until(resources.PODS, "one", "default", ended))
        return state["exitCode"], state["reason"]

    assert play(scene) == end


def test_a_pod_that_is_active_too_long_fails(play):
    async def scene(client, running):
        obj = pod(policy="Never")
        obj["spec"]["activeDeadlineSeconds"] = 1
        await client.create(resources.PODS, obj)
        done = await client.until(resources.PODS, "one", "default", lambda o: ended(o) and o["status"]["phase"])
        return done["status"]["phase"], done["status"]["reason"]

    assert play(scene) == ("Failed", "DeadlineExceeded")
