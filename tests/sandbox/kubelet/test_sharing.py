"""Without namespaces, paths that a pod declares lie below its own folder, and nothing leads out of it."""

import pytest

from labkit.sandbox.kubelet import beneath, sharing, volumes


@pytest.mark.parametrize(
    ("word", "moved"),
    [
        ("/etc/app", "ROOT/etc/app"),
        ("/etc/app/x.yaml", "ROOT/etc/app/x.yaml"),
        ("--config=/etc/app/x", "--config=ROOT/etc/app/x"),
        ("cat /etc/app/x | wc", "cat ROOT/etc/app/x | wc"),
        ("/etc/application", "/etc/application"),
        ("/srv/etc/app", "/srv/etc/app"),
    ],
)
def test_paths_of_mounts_are_moved_into_the_containers_root(word, moved):
    assert sharing.relocated([word], root="ROOT", inside=["/etc/app"]) == [moved]


def file(text):
    return volumes.File(data=text.encode())


def test_a_mount_inside_another_survives_an_update_of_the_outer_one(tmp_path):
    outer, inner, root = tmp_path / "outer", tmp_path / "inner", tmp_path / "root"
    volumes.write(outer, {"a": file("1")})
    inner.mkdir()
    sharing.prepare(root, tmp_path, [(outer, "/run/istio"), (inner, "/run/istio/crl")])
    volumes.write(outer, {"a": file("2")})
    assert (root / "run/istio/a").read_text() == "2"
    assert (root / "run/istio/crl").resolve() == inner.resolve()


def test_a_mount_inside_the_volume_of_a_claim_goes_there(tmp_path):
    pod, claim, inner = tmp_path / "pod", tmp_path / "claim", tmp_path / "pod" / "inner"
    for folder in (pod, claim, inner):
        folder.mkdir()
    sharing.prepare(pod / "root", pod, [(claim, "/data"), (inner, "/data/conf")])
    assert (claim / "conf").resolve() == inner


def test_a_link_that_a_container_left_in_its_volume_leads_no_mount_out_of_the_pod(tmp_path):
    pod, machine = tmp_path / "pod", tmp_path / "machine"
    outer, inner = pod / "outer", pod / "inner"
    for folder in (outer, inner, machine):
        folder.mkdir(parents=True)
    (outer / "way").symlink_to(machine)
    with pytest.raises(beneath.OutsideError, match="way is a symbolic link"):
        sharing.prepare(pod / "root", pod, [(outer, "/data"), (inner, "/data/way/out")])
    assert list(machine.iterdir()) == []


@pytest.mark.parametrize(
    ("argv", "moved"),
    [
        (["tar", "-xmf", "-", "-C", "/tmp"], ["tar", "-xmf", "-", "-C", "/r/tmp"]),
        (["tar", "-xmf", "-", "-C", "/../../tmp"], ["tar", "-xmf", "-", "-C", "/r/tmp"]),
        (["test", "-d", "/tmp"], ["test", "-d", "/r/tmp"]),
        (["cat", "/etc/passwd"], ["cat", "/etc/passwd"]),
    ],
    ids=["unpack", "unpack above the root", "test", "no declared path"],
)
def test_what_kubectl_cp_runs_means_the_containers_own_paths(argv, moved):
    assert sharing.inside(argv, root="/r", spec={}) == moved


def test_a_pod_is_told_which_of_its_fields_need_what_the_machine_lacks():
    proxy = {"name": "istio-proxy", "securityContext": {"runAsUser": 1337}}
    app = {"name": "app", "securityContext": {"runAsUser": 1000, "runAsNonRoot": True}}
    spec = {"hostname": "h", "dnsPolicy": "ClusterFirst", "initContainers": [proxy], "containers": [app]}
    (_, shared, _), (reason, unmet, kind) = sharing.told({"metadata": {"name": "p"}, "spec": spec})
    assert "share the machine's files and processes" in shared
    assert (reason, kind) == ("NotCarriedOut", "Warning")
    assert unmet.startswith("spec.hostname, spec.containers[0].securityContext.runAsUser: no effect, because")
