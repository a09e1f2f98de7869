"""Istio's own sample manifests, unchanged, with stock kubectl: what they do on a cluster they do here."""

import re

import pytest

from labkit.traffic import judge
from tests.acceptance.conftest import REVIEWS

pytestmark = pytest.mark.sandbox


def test_six_pods_are_two_of_two(bookinfo):
    rows = bookinfo.kubectl("get", "pods", "--no-headers").splitlines()
    assert len(rows) == 6
    assert all(re.search(r"\s2/2\s+Running\s", row) for row in rows)


def test_the_proxy_is_a_native_sidecar(bookinfo):
    for pod in bookinfo.pods():
        (proxy,) = [c for c in pod["spec"]["initContainers"] if c["name"] == "istio-proxy"]
        assert proxy["restartPolicy"] == "Always"


def test_the_page_answers_at_the_gateway_and_the_root_does_not(bookinfo):
    assert bookinfo.send(path="/productpage")["status"].tolist() == [200]
    assert bookinfo.send(path="/")["status"].tolist() == [404]


def test_ninety_ten_is_measured_inside_its_band(bookinfo):
    bookinfo.kubectl("apply", "-f", str(bookinfo.networking / "destination-rule-all.yaml"))
    bookinfo.kubectl("apply", "-f", str(bookinfo.networking / "virtual-service-reviews-90-10.yaml"))
    bookinfo.until_only({"v1", "v2"})
    frame = bookinfo.send(1000, REVIEWS)
    bookinfo.forget_rules()
    assert judge.split(frame["version"].value_counts().to_dict(), {"v1": 90, "v2": 10}).agrees
