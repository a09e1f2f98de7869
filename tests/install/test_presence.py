"""What is in the way of the course, by what a cluster shows of Istio."""

import pytest

from labkit.base import errors
from labkit.install import gateway_api, presence
from labkit.kube import status

DEFAULT = presence.Istiod(name="istiod", revision="default", version="1.31.3", ready=1, replicas=1)
CANARY = presence.Istiod(name="istiod-1-31", revision="1-31", version="1.31.3", ready=1, replicas=1)
WAITING = presence.Istiod(name="istiod", revision="default", version="1.31.3", ready=0, replicas=1)
OLD = presence.Istiod(name="istiod", revision="default", version="1.20.1", ready=1, replicas=1)
V1, ALPHA = ("v1", "v1beta1", "v1alpha3"), ("v1beta1", "v1alpha3")
HOOKS = ("istio-sidecar-injector", "istio-revision-tag-default")


def seen(istiods=(DEFAULT,), *, versions=V1, injectors=HOOKS, has_gateway=True, is_ending=False):
    return presence.Presence(
        istiods=istiods, versions=versions, injectors=injectors, has_gateway=has_gateway, is_ending=is_ending
    )


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param(seen(), id="the default profile"),
        pytest.param(seen((CANARY,)), id="a revision with the default tag"),
        pytest.param(seen((CANARY, DEFAULT)), id="two control planes, one of them the default"),
        pytest.param(seen(None, injectors=None, has_gateway=None), id="nothing may be read but the API"),
    ],
)
def test_the_course_runs_on(shown):
    assert presence.problem(shown) is None


@pytest.mark.parametrize(
    ("shown", "what", "step"),
    [
        pytest.param(seen((), versions=(), injectors=()), "has no Istio.", "istioctl install", id="no Istio"),
        pytest.param(seen((), injectors=()), "its definitions are there", "istioctl install", id="definitions left"),
        pytest.param(seen(None, versions=(), injectors=None), "has no Istio", "istioctl install", id="none to see"),
        pytest.param(
            seen(()), "half deleted here: webhook istio-sidecar-injector", "uninstall --purge", id="webhooks left"
        ),
        pytest.param(seen((WAITING,)), "No istiod is ready: istiod 1.31.3, 0 of 1", "describe pods", id="not ready"),
        pytest.param(
            seen((CANARY,), injectors=()), "the revision 1-31", "tag set default --revision 1-31", id="a revision"
        ),
        pytest.param(seen((OLD,), versions=ALPHA), "serves v1beta1, v1alpha3 of it", "istioctl upgrade", id="too old"),
        pytest.param(seen(has_gateway=False), "without its ingress gateway", "components.ingress", id="no gateway"),
        pytest.param(seen(is_ending=True), "istio-system is being deleted", "get namespace", id="stuck in Terminating"),
    ],
)
def test_what_is_in_the_way_is_one_sentence_with_the_next_command(shown, what, step):
    found = presence.problem(shown)
    assert what in found.what and step in found.next_step


def test_another_version_is_noted():
    assert presence.note(seen()) == ""
    assert presence.note(seen((OLD,))) == "the course was run on Istio 1.31; here is 1.20.1"


def test_a_deployment_tells_its_revision_and_version():
    deployment = {
        "metadata": {"name": "istiod-1-30", "labels": {"app": "istiod", "istio.io/rev": "1-30"}},
        "spec": {
            "replicas": 2,
            "template": {"spec": {"containers": [{"image": "docker.io/istio/pilot:1.30.7@sha256:" + "0" * 64}]}},
        },
        "status": {"availableReplicas": 1},
    }
    assert str(presence.Presence(istiods=(presence.istiod(deployment),))) == "istiod-1-30 1.30.7, 1 of 2 ready"


class Bare:
    """A cluster without the Gateway API, on which this user may add no definitions."""

    def raw(self, method, path):
        return 404, [], b""

    def apply(self, resource, obj):
        raise status.StatusError({"code": 403, "message": "customresourcedefinitions is forbidden"})


def test_who_may_not_add_definitions_is_told_whom_to_ask_and_for_what():
    with pytest.raises(errors.SetupError, match=r"may not add definitions(.|\n)*ask its owner(.|\n)*standard-install"):
        gateway_api.install(Bare())
    assert "lab.install_gateway_api()" in gateway_api.advice()


def test_a_namespace_that_is_being_deleted_is_named_with_what_holds_it():
    held = {"type": "NamespaceFinalizersRemaining", "status": "True", "message": "example.com/held in 1 instances"}
    rest = {"type": "NamespaceDeletionContentFailure", "status": "False", "message": "All deleted"}
    metadata = {"name": "stuck", "deletionTimestamp": "2026-12-01T02:33:00Z"}
    trouble = presence.ending({"metadata": metadata, "status": {"conditions": [rest, held]}})
    assert trouble and "stuck is being deleted" in trouble.what and "example.com/held in 1 instances." in trouble.what
    assert "kubectl get namespace stuck" in trouble.next_step and "All deleted" not in trouble.what
    assert presence.ending(None) is None and presence.ending({"metadata": {"name": "default"}}) is None
