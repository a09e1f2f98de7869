"""URLs taken apart."""

import pytest

from labkit.sandbox.apiserver import paths


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/pods", {"version": "v1", "plural": "pods"}),
        ("/api/v1/namespaces/n/pods/p", {"version": "v1", "plural": "pods", "namespace": "n", "name": "p"}),
        (
            "/apis/apps/v1/namespaces/n/deployments/d/scale",
            {
                "group": "apps",
                "version": "v1",
                "plural": "deployments",
                "namespace": "n",
                "name": "d",
                "subresource": "scale",
            },
        ),
        ("/api/v1/namespaces/n", {"version": "v1", "plural": "namespaces", "namespace": "n", "name": "n"}),
        (
            "/api/v1/namespaces/n/status",
            {"version": "v1", "plural": "namespaces", "namespace": "n", "name": "n", "subresource": "status"},
        ),
        ("/api/v1/watch/pods", {"version": "v1", "plural": "pods", "watch": True}),
        ("/apis/apps/v1", {"group": "apps", "version": "v1"}),
    ],
    ids=["all", "one", "subresource", "a namespace", "of a namespace", "old watch", "no resource"],
)
def test_a_path_names(path, expected):
    assert paths.target(path) == paths.Target(**{"group": "", **expected})


@pytest.mark.parametrize("path", ["/", "/version", "/api", "/apis/apps", "/healthz"])
def test_other_paths_name_nothing(path):
    assert paths.target(path) is None
