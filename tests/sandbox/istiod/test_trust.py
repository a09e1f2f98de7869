"""The mesh's root in every namespace."""

import pytest

from labkit.sandbox.istiod import trust


@pytest.mark.parametrize(
    ("kind", "name", "is_bundle"),
    [
        ("ConfigMap", "istio-ca-root-cert", True),
        ("ConfigMap", "kube-root-ca.crt", True),
        ("ConfigMap", "istio", False),
        ("Secret", "istio-ca-root-cert", False),
    ],
)
def test_what_a_namespace_gets_by_itself_is_nobodys_configuration(kind, name, is_bundle):
    assert trust.is_bundle({"kind": kind, "metadata": {"name": name}}) is is_bundle
