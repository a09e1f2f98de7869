"""The kind cluster of a lab, step by step, on a machine that is played from recorded outputs."""

import json

import pytest
import yaml

from labkit.base import errors, settings, versions
from labkit.clusters import failures, images, kind
from labkit.install import istioctl
from tests.clusters.recorded import OUTPUTS, Recorded, failed, said


@pytest.fixture
def paths(tmp_path):
    paths = settings.Paths(home=tmp_path / "home")
    paths.make()
    return paths


def machine(**outputs):
    """A machine with kind 0.33 and an engine that has no images."""
    usual = {
        "kind version": "kind v0.33.0 go1.26.2 linux/amd64\n",
        "kind get clusters": said(err="No kind clusters found.\n"),
        "docker image inspect": failed("Error: No such image"),
    }
    return Recorded(usual | {name.replace("_", " "): answer for name, answer in outputs.items()})


def test_the_configuration_is_one_node_with_a_pinned_image_and_loopback_ports_alone():
    record = kind.Record(name="labkit", host_ports={30080: 8080, 30443: 18443})
    document = yaml.safe_load(kind.config(record, image=versions.node_image("kind v0.33.0 go1.26.2")))
    (node,) = document["nodes"]
    assert document["networking"] == {"apiServerAddress": "127.0.0.1"}
    assert node["image"].startswith("kindest/node:v1.35.8@sha256:")
    assert {(p["containerPort"], p["hostPort"], p["listenAddress"]) for p in node["extraPortMappings"]} == {
        (30080, 8080, "127.0.0.1"),
        (30443, 18443, "127.0.0.1"),
    }
    assert not {"kubeadmConfigPatches", "containerdConfigPatches"} & document.keys()


def test_a_release_of_kind_that_nobody_pinned_has_its_own_image():
    assert versions.node_image("kind v0.35.1 go1.27") is None
    assert "image" not in yaml.safe_load(kind.config(kind.Record(name="x", host_ports={}), image=None))["nodes"][0]


def test_ports_that_are_taken_are_passed_over():
    taken = {8080, 8081, 15021}
    assert kind.free_ports(lambda _, port: port not in taken) == {30080: 8082, 30443: 8443, 30021: 15022}


def test_a_creation_is_remembered_before_it_begins_and_names_the_labs_own_kubeconfig(paths):
    played = machine(kind_create=failed("ERROR: failed to create cluster: boom"))
    with pytest.raises(errors.SetupError, match="kind could not create the cluster: ERROR: failed to create"):
        kind.ensure(paths, played)
    created = next(line for line in played.ran if line.startswith("kind create"))
    assert f"--kubeconfig {paths.home}/kind-kubeconfig" in created
    assert yaml.safe_load(played.given[created])["name"] == "labkit"
    assert kind.recorded(paths).is_created is False


def test_what_an_interrupted_creation_left_is_deleted_and_made_anew(paths):
    left = [True]

    def delete(_):
        left.clear()
        return said()

    played = machine(
        kind_get_clusters=lambda _: said("labkit\n" if left else ""),
        kind_delete=delete,
        kind_create=failed("ERROR: the second time"),
    )
    kind._remember(paths, kind.Record(name="labkit", host_ports={30080: 8080}))
    with pytest.raises(errors.SetupError, match="the second time"):
        kind.ensure(paths, played)
    order = [line.split()[1] for line in played.ran if line.split()[1] in ("delete", "create")]
    assert order == ["delete", "create"]


def test_a_cluster_of_that_name_that_the_lab_did_not_create_is_left_alone(paths):
    played = machine(kind_get_clusters="kind\nlabkit\n")
    with pytest.raises(errors.SetupError, match=r"did not create(.|\n)*--cluster context:kind-labkit"):
        kind.ensure(paths, played)
    assert not [line for line in played.ran if "delete" in line or "create" in line]
    assert kind.delete(paths, played) is False


def test_a_node_that_a_restart_stopped_is_started(paths):
    played = machine(kind_get_clusters="labkit\n", docker_start=failed("Error response from daemon: no such network"))
    kind._remember(paths, kind.Record(name="labkit", host_ports={}, is_created=True))
    with pytest.raises(errors.SetupError, match="node labkit-control-plane does not start: Error response"):
        kind.ensure(paths, played)
    assert "docker start labkit-control-plane" in played.ran


def test_down_deletes_the_labs_own_cluster_and_forgets_it(paths):
    played = machine(kind_get_clusters="labkit\n", kind_delete=said())
    kind._remember(paths, kind.Record(name="labkit", host_ports={}, is_created=True))
    assert kind.delete(paths, played)
    assert "kind delete cluster --name labkit" in played.ran
    assert kind.recorded(paths) is None


def test_an_image_from_a_stick_has_no_digest_any_more(paths):
    def inspect(words):
        return failed("No such image") if "@" in words[-1] else said("[]")

    played = machine(docker_image_inspect=inspect, kind_create=failed("ERROR: enough"))
    with pytest.raises(errors.SetupError):
        kind.ensure(paths, played)
    created = next(line for line in played.ran if line.startswith("kind create"))
    assert yaml.safe_load(played.given[created])["nodes"][0]["image"] == "kindest/node:v1.35.8"


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda o: o["name"])
def test_each_failure_names_its_cause_and_the_command_that_mends_it(output):
    text = str(failures.failure("It", failed(output["err"])))
    assert output["mend"] in text.partition("Next: ")[2]
    assert (output.get("told") or output["err"].strip()[:300]) in text.partition("\nNext: ")[0]


def test_most_outputs_are_what_the_programs_said():
    assert sum(output["real"] for output in OUTPUTS) > len(OUTPUTS) / 2


def test_istio_is_installed_with_the_pinned_hub_and_node_ports():
    spec = yaml.safe_load(istioctl.operator())["spec"]
    (gateway,) = spec["components"]["ingressGateways"]
    ports = {p["name"]: (p["port"], p["nodePort"]) for p in gateway["k8s"]["service"]["ports"]}
    assert (spec["hub"], spec["profile"]) == ("docker.io/istio", "demo")
    assert ports == {"http2": (80, 30080), "https": (443, 30443), "status-port": (15021, 30021)}


def test_the_ambient_profile_is_installed_by_the_same_seam_with_small_requests():
    spec = yaml.safe_load(istioctl.operator("ambient"))["spec"]
    assert (spec["profile"], spec["hub"], spec["tag"]) == ("ambient", "docker.io/istio", versions.istio())
    assert spec["values"]["pilot"]["resources"]["requests"]["memory"] == "100Mi"
    assert spec["components"]["ingressGateways"][0]["enabled"]
    assert "values" not in yaml.safe_load(istioctl.operator())["spec"]
    assert {f"docker.io/istio/{name}:{versions.istio()}" for name in ("ztunnel", "install-cni")} <= {
        image.name for image in images.needed()
    }


# Images on a stick

SMALL = [
    images.Image(name="kindest/node:v1@sha256:00", mb=350, is_node=True),
    images.Image(name="docker.io/istio/pilot:1.31.1", mb=85),
]


def saving(**more):
    """An engine that writes what it is told to save."""

    def save(words):
        from pathlib import Path

        Path(words[words.index("--output") + 1]).write_bytes(b"layers of " + words[-1].encode())
        return said()

    return Recorded({"docker pull": said(), "docker tag": said(), "docker save": save} | more)


def test_images_are_saved_for_one_platform_and_the_nodes_by_its_tag(tmp_path):
    played = saving()
    images.save(played, tmp_path, SMALL)
    saves = [line for line in played.ran if line.startswith("docker save")]
    assert all("--platform linux/" in line for line in saves)
    assert [line.split()[-1] for line in saves] == ["docker.io/kindest/node:v1", "docker.io/istio/pilot:1.31.1"]
    assert "docker tag docker.io/kindest/node@sha256:00 docker.io/kindest/node:v1" in played.ran


def test_saving_goes_on_where_it_was_interrupted(tmp_path):
    with pytest.raises(errors.SetupError, match=r"docker pull docker.io/istio/pilot(.|\n)*docker login"):
        images.save(
            saving(**{"docker pull --platform linux/amd64 docker.io/istio": failed("toomanyrequests: wait")}),
            tmp_path,
            SMALL,
        )
    again = saving()
    assert images.save(again, tmp_path, SMALL) == ["docker.io/istio/pilot:1.31.1"]
    assert not [line for line in again.ran if "kindest" in line]
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    "words",
    ["unknown flag: --platform", '"platform" requires API version 1.48, but the Docker daemon API version is 1.41'],
    ids=["an old client", "an old engine behind a new client"],
)
def test_a_docker_that_cannot_save_one_platform_is_to_be_updated(tmp_path, words):
    with pytest.raises(errors.SetupError, match=r"cannot save one platform(.|\n)*Next: update Docker to 28"):
        images.save(saving(**{"docker save": failed(words)}), tmp_path, SMALL)
    assert list(tmp_path.iterdir()) == []


def test_loading_gives_docker_the_node_and_kind_the_rest(tmp_path):
    images.save(saving(), tmp_path, SMALL)
    played = Recorded({"docker load": said(), "kind load": said()})
    assert images.load(played, tmp_path, cluster=None) == ["kindest/node:v1@sha256:00"]
    images.load(played, tmp_path, cluster="labkit")
    assert any(line.startswith("kind load image-archive") and line.endswith("--name labkit") for line in played.ran)


def test_loading_goes_on_where_it_was_interrupted_and_says_the_size_first(tmp_path):
    images.save(saving(), tmp_path, SMALL)
    node = "docker exec labkit-control-plane ctr --namespace k8s.io images ls -q"
    there = {"docker image inspect": said("[]"), node: said("docker.io/istio/pilot:1.31.1\nsha256:00\n")}
    steps = []
    played = Recorded({"kind load": said(), "docker load": said()} | there)
    assert images.load(played, tmp_path, cluster="labkit", on_step=steps.append) == []
    assert steps == ["0 images to load, 0 MB"]
    played = Recorded({"kind load": said(), "docker load": said()} | there | {node: said("")})
    assert images.load(played, tmp_path, cluster="labkit", on_step=steps.append) == ["docker.io/istio/pilot:1.31.1"]
    assert steps[1].startswith("1 images to load, ")


def test_images_of_another_platform_are_refused_before_anything_is_loaded(tmp_path):
    images.save(saving(), tmp_path, SMALL)
    index = json.loads((tmp_path / images.INDEX).read_text())
    (tmp_path / images.INDEX).write_text(json.dumps({k: v | {"platform": "linux/s390x"} for k, v in index.items()}))
    with pytest.raises(errors.SetupError, match="are for linux/s390x"):
        images.load(Recorded({}), tmp_path, cluster="labkit")


def test_a_folder_without_images_says_how_to_get_them(tmp_path):
    with pytest.raises(errors.SetupError, match=r"\./lab images save"):
        images.load(Recorded({}), tmp_path, cluster=None)


def test_every_image_of_the_lessons_is_on_the_list():
    names = {image.name for image in images.needed()}
    assert {"docker.io/istio/proxyv2:1.31.1", "docker.io/curlimages/curl:8.16.0"} <= names
    retired = versions.pinned()["istio"]["retired_hubs"]
    assert [name for name in names if name.startswith(tuple(retired))] == []
