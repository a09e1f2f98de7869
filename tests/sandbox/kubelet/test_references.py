"""Names of images, as runtimes read them."""

import pytest

from labkit.sandbox.kubelet import references

DIGEST = "sha256:" + "0f" * 32


@pytest.mark.parametrize(
    ("image", "full"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.27", "docker.io/library/nginx:1.27"),
        ("istio/pilot:1", "docker.io/istio/pilot:1"),
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/istio/pilot", "docker.io/istio/pilot:latest"),
        ("localhost/a:b", "localhost/a:b"),
        ("host:5000/a/b__c.d-e", "host:5000/a/b__c.d-e:latest"),
        (f"a@{DIGEST}", f"docker.io/library/a@{DIGEST}"),
        (f"ghcr.io/a/b:1@{DIGEST}", f"ghcr.io/a/b:1@{DIGEST}"),
    ],
)
def test_a_name_is_completed(image, full):
    assert str(references.parse(image)) == full


@pytest.mark.parametrize(
    ("image", "why"),
    [
        ("nginx:", "invalid reference format"),
        ("https://ghcr.io/a:1", "invalid reference format"),
        ("a b", "invalid reference format"),
        ("images:ubuntu/24.04", "invalid reference format"),
        ("a@sha256:00", "invalid reference format"),
        (f"a@{DIGEST}0", "invalid reference format"),
        ("a:" + "t" * 129, "invalid reference format"),
        ("/a", "invalid reference format"),
        ("a//b", "invalid reference format"),
        ("a/-b", "invalid reference format"),
        ("${IMAGE}", "invalid reference format"),
        ("Nginx:1.27", "repository name (library/Nginx) must be lowercase"),
        ("a/" + "b" * 260, "must not be more than 255 characters"),
    ],
)
def test_what_no_runtime_can_read_is_refused(image, why):
    with pytest.raises(references.UnreadableError) as refusal:
        references.parse(image)
    assert why in str(refusal.value)
