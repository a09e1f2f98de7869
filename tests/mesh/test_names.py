"""Hosts: short and full, wildcards, protocols, lengths of time."""

import pytest

from labkit.mesh import durations, names, protocols
from labkit.mesh.hosts import domains


@pytest.mark.parametrize(
    ("answer", "full"),
    [
        ("reviews", "reviews.default.svc.cluster.local"),
        ("reviews.other", "reviews.other"),
        ("reviews.other.svc.cluster.local", "reviews.other.svc.cluster.local"),
        ("*", "*"),
        ("*.example.com", "*.example.com"),
    ],
)
def test_only_a_name_without_a_dot_is_one_of_the_namespace(answer: str, full: str) -> None:
    assert names.full_host(answer, "default") == full


@pytest.mark.parametrize(
    ("one", "other", "common"),
    [
        ("*.example.com", "a.example.com", "a.example.com"),
        ("a.example.com", "*", "a.example.com"),
        ("*.example.com", "*.b.example.com", "*.b.example.com"),
        ("a.example.com", "b.example.com", None),
    ],
)
def test_of_two_hosts_the_narrower_is_common(one: str, other: str, common: str | None) -> None:
    assert names.common(one, other) == common


def test_the_longest_pattern_says_most_and_the_very_name_more() -> None:
    patterns = ["*.local", "*.default.svc.cluster.local", "web.default.svc.cluster.local"]
    assert names.most_specific(patterns, "web.default.svc.cluster.local") == patterns[2]
    assert names.most_specific(patterns, "db.default.svc.cluster.local") == patterns[1]


@pytest.mark.parametrize(
    ("name", "number", "app", "protocol"),
    [
        ("http-web", 1, None, "HTTP"),
        ("grpc-web", 1, None, "GRPC-WEB"),
        ("grpc-api", 1, None, "GRPC"),
        ("httpfoo", 1, None, "UNSUPPORTED"),
        ("", 3306, None, "TCP"),
        ("http", 1, "tcp", "TCP"),
        ("x", 1, "kubernetes.io/h2c", "HTTP2"),
        ("https", 1, None, "HTTPS"),
    ],
)
def test_a_ports_protocol_is_its_app_protocol_else_its_name(
    name: str, number: int, app: str | None, protocol: str
) -> None:
    assert protocols.of_port(name, number, app) == protocol


@pytest.mark.parametrize(
    ("answer", "written"),
    [
        ("3m", "180s"),
        ("100ms", "0.100s"),
        ("1m1.5s", "61.500s"),
        ("0s", "0s"),
        ("250us", "0.000250s"),
        ("nonsense", "0s"),
    ],
)
def test_lengths_of_time_are_written_as_protobuf_writes_them(answer: str, written: str) -> None:
    assert durations.proto(durations.seconds(answer)) == written


def test_a_service_has_its_short_names_in_its_own_namespace_only() -> None:
    host = "web.default.svc.cluster.local"
    assert "web" in domains.of_host(host, "default")
    assert "web" not in domains.of_host(host, "other")
    assert domains.of_host("api.example.com", "default") == ["api.example.com"]


def test_port_80_may_be_left_out() -> None:
    assert domains.with_port(["web"], 80) == ["web:80", "web"]
    assert domains.with_port(["web"], 8080) == ["web:8080"]
