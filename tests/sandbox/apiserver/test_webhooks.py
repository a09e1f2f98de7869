"""Webhooks that cannot be asked: their policy decides."""

import pytest

GROUP = "admissionregistration.k8s.io/v1"


@pytest.fixture
def register(ask):
    """Register a validating webhook of a Service that is not there, for ConfigMaps of this namespace."""
    hook_name = f"{ask.namespace}-hook"

    def register(**more):
        service = {"name": "nobody", "namespace": ask.namespace}
        rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
        hook = {
            "name": "hook.example.com",
            "clientConfig": {"service": service},
            "rules": [rule],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ask.namespace}},
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            **more,
        }
        body = {"metadata": {"name": hook_name}, "webhooks": [hook]}
        assert ask("POST", "validatingwebhookconfigurations", body, group=GROUP, anywhere=True).code == 201

    yield register
    ask("DELETE", f"validatingwebhookconfigurations/{hook_name}", group=GROUP, anywhere=True)


def test_a_webhook_out_of_reach_refuses(ask, register):
    register()
    answer = ask("POST", "configmaps", {"metadata": {"name": "c"}})
    assert answer.code == 500
    assert answer.message.startswith('Internal error occurred: failed calling webhook "hook.example.com"')
    assert answer.message.endswith('service "nobody" not found')


@pytest.mark.parametrize(
    "more",
    [{"failurePolicy": "Ignore"}, {"objectSelector": {"matchLabels": {"ask": "me"}}}],
    ids=["told to ignore failures", "selecting other objects"],
)
def test_a_webhook_lets_pass_when(ask, register, more):
    register(**more)
    assert ask("POST", "configmaps", {"metadata": {"name": "c"}}).code == 201
