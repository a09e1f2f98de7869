"""A second control plane: what its objects are called, whom its webhooks take, and what a tag changes."""

import pytest

from labkit.install import control_planes, istio
from labkit.kube import resources
from labkit.mesh import analysis, revisions

CANARY = revisions.Revision(name="canary")
DEFAULT = revisions.Revision()


def by_kind(objects, kind):
    return [o for o in objects if o["kind"] == kind and not control_planes.is_gateway(o)]


def injector(revision):
    return by_kind(control_planes.of(istio.objects(), revision), "MutatingWebhookConfiguration")[0]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("ServiceAccount", "istiod-canary"),
        ("ClusterRole", "istiod-clusterrole-canary-istio-system"),
        ("ClusterRoleBinding", "istiod-clusterrole-canary-istio-system"),
        ("Service", "istiod-canary"),
        ("Deployment", "istiod-canary"),
        ("MutatingWebhookConfiguration", "istio-sidecar-injector-canary"),
        ("ValidatingWebhookConfiguration", "istio-validator-canary-istio-system"),
    ],
)
def test_a_revisions_objects_have_istios_names(kind, name):
    (obj,) = by_kind(control_planes.of(istio.objects(), CANARY), kind)
    assert resources.name_of(obj) == name
    assert resources.labels_of(obj)["istio.io/rev"] == "canary"


def test_no_service_of_one_revision_selects_the_istiod_of_the_other():
    for own, other in ((DEFAULT, CANARY), (CANARY, DEFAULT)):
        (service,) = by_kind(control_planes.of(istio.objects(), own), "Service")
        for revision, is_selected in ((own, True), (other, False)):
            (deployment,) = by_kind(control_planes.of(istio.objects(), revision), "Deployment")
            labels = deployment["spec"]["template"]["metadata"]["labels"]
            assert (service["spec"]["selector"].items() <= labels.items()) == is_selected


def test_the_default_revision_is_the_manifest_itself():
    assert control_planes.of(istio.objects(), DEFAULT) == istio.objects()


def test_another_version_changes_images_and_what_the_injector_hands_out():
    objects = control_planes.of(istio.objects(), DEFAULT, version="1.31.0")
    (deployment,) = by_kind(objects, "Deployment")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"].endswith("pilot:1.31.0")
    values = next(
        o["data"]["values"] for o in objects if resources.name_of(o) == "istio-sidecar-injector" and "data" in o
    )
    assert '"tag": "1.31.0"' in values


@pytest.mark.parametrize(
    "webhooks",
    [
        pytest.param([injector(DEFAULT), injector(CANARY)], id="two revisions"),
        pytest.param(
            [injector(DEFAULT), injector(CANARY), control_planes.tagged(injector(CANARY), CANARY, "prod")[0]],
            id="a tag",
        ),
        pytest.param(
            [
                control_planes.switched_off(injector(DEFAULT)),
                injector(CANARY),
                control_planes.tagged(injector(CANARY), CANARY, "default")[0],
            ],
            id="the default tag",
        ),
    ],
)
def test_no_pod_is_injected_twice(webhooks):
    services = [o for r in (DEFAULT, CANARY) for o in by_kind(control_planes.of(istio.objects(), r), "Service")]
    assert [m for m in analysis.analyze(analysis.on_top([*webhooks, *services], [])) if m.code == "IST0139"] == []


def test_a_default_tag_beside_the_default_revisions_own_webhook_injects_twice():
    tag = control_planes.tagged(injector(CANARY), CANARY, "default")[0]
    services = [o for r in (DEFAULT, CANARY) for o in by_kind(control_planes.of(istio.objects(), r), "Service")]
    assert "IST0139" in {m.code for m in analysis.analyze(analysis.on_top([injector(DEFAULT), tag, *services], []))}


def test_the_gateway_moves_over_with_the_revision_that_is_installed():
    objects = control_planes.of(istio.objects(), CANARY)
    (deployment,) = (o for o in objects if o["kind"] == "Deployment" and control_planes.is_gateway(o))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert {"name": "CA_ADDR", "value": "istiod-canary.istio-system.svc:15012"} in container["env"]


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("docker.io/istio/pilot:1.31.0", "1.31.0"),
        ("docker.io/istio/pilot:1.31.0-distroless", "1.31.0"),
        ("localhost:5000/istio/pilot", "1.31.1"),
        ("docker.io/istio/pilot:latest", "1.31.1"),
        ("istio/pilot:1.31.0@sha256:0123", "1.31.0"),
        ("", "1.31.1"),
    ],
)
def test_the_version_is_the_tag_of_the_image(image, version):
    assert revisions.version_of(image) == version


def test_proxies_need_no_right_that_a_stock_installation_does_not_give_them():
    (role,) = (o for o in istio.objects() if o["kind"] == "Role")
    assert (role["metadata"]["name"], role["rules"][0]["resources"]) == ("istio-ingressgateway-sds", ["secrets"])
    assert control_planes.is_gateway(role)
