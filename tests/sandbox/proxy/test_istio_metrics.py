"""Istio's metrics on :15020: labels from an Envoy's tags, and the page that an agent merges."""

import asyncio
import json

import pytest
from prometheus_client import parser

from labkit.mesh.hosts import workloads
from labkit.mesh.sandboxed import stats
from labkit.sandbox.proxy import istio_metrics, metrics_page

CALLER = "productpage-v1;default;productpage;v1;Kubernetes"
CALLED = "reviews-v2;default;reviews;v2;Kubernetes"
SERVICE = "reviews.default.svc.cluster.local;reviews;default"
PROOF = {"source_principal": "spiffe://cluster.local/ns/default/sa/p", "destination_principal": "spiffe://x/ns/d/sa/r"}
REQUEST = {"response_flags": "-", "response_code": "200", "destination_service": SERVICE, **PROOF}
AT_CALLER = {"reporter": "source", "peer": CALLED, **REQUEST}
AT_CALLED = {"reporter": "destination", "peer": CALLER, **REQUEST}


def tags_of(about: dict[str, str], **own: str) -> dict[str, str]:
    """What an Envoy writes of a request."""
    return {stats.ABOUT: "|".join(about.get(part, "") for part in stats.PARTS), **own}


def test_both_reporters_tell_the_same_request_alike() -> None:
    source = istio_metrics.labels_of(tags_of(AT_CALLER), CALLER, CALLED)
    destination = istio_metrics.labels_of(tags_of(AT_CALLED), CALLED)
    differing = {name for name in source if source[name] != destination[name]}
    assert tuple(source) == tuple(destination) == istio_metrics.ORDER
    assert differing == {"reporter", "connection_security_policy"}


@pytest.mark.parametrize(
    ("tags", "labels"),
    [
        pytest.param({**AT_CALLED, "peer": ""}, {"source_workload": "unknown"}, id="a caller without a proxy"),
        pytest.param(
            {**AT_CALLED, "source_principal": "", "destination_principal": "-"},
            {"source_principal": "unknown", "connection_security_policy": "none"},
            id="plain text",
        ),
        pytest.param(AT_CALLER, {"connection_security_policy": "unknown"}, id="a caller never says"),
        pytest.param(
            {**AT_CALLER, "grpc_response_status": "0"},
            {"request_protocol": "grpc", "grpc_response_status": "0"},
            id="gRPC",
        ),
        pytest.param(
            {**AT_CALLER, "destination_service": "-", "peer": "-", "request_host": "nosuch:8000"},
            {"destination_service": "nosuch:8000", "destination_service_name": "nosuch:8000"},
            id="a host of nobody",
        ),
        pytest.param(
            {
                **AT_CALLER,
                "destination_service": ";PassthroughCluster;",
                "request_host": "a.example",
            },
            {"destination_service": "a.example", "destination_service_name": "PassthroughCluster"},
            id="passed through",
        ),
    ],
)
def test_labels_say_what_the_tags_mean(tags: dict[str, str], labels: dict[str, str]) -> None:
    assert labels.items() <= istio_metrics.labels_of(tags_of(tags), CALLER).items()


APART = "web-1;shop;front;stable;Kubernetes;web;v7"
"""A workload whose labels ``app`` and ``version`` are not its canonical name and revision."""

IDENTITY = "web-1;shop;front;stable;Kubernetes"
AT_ITS_CALLER = {**AT_CALLER, "peer": IDENTITY}


def labels_on_the_page(about: dict[str, str], own: str = CALLER, **asked: istio_metrics.PeerAt) -> dict[str, str]:
    line = f"envoy_istiocustom_istio_requests_total{{{written(about)}}} 1"
    text = istio_metrics.translated(line, own, istio_metrics.Peers(**asked))
    return dict(next(iter(parser.text_string_to_metric_families(text))).samples[0].labels)


@pytest.mark.parametrize(
    ("about", "own", "app", "version"),
    [
        pytest.param(AT_ITS_CALLER, CALLER, "web", "v7", id="an endpoint whose proxy answered"),
        pytest.param(
            {**AT_ITS_CALLER, "response_code": "503", "response_flags": "UF"},
            CALLER,
            *["unknown"] * 2,
            id="one that did not answer",
        ),
        pytest.param(
            {**AT_ITS_CALLER, "response_code": "503", "response_flags": "URX,UF"},
            CALLER,
            *["unknown"] * 2,
            id="nor when tried again",
        ),
        pytest.param(
            {**AT_ITS_CALLER, "peer": "x;shop;x;v1;Kubernetes"}, CALLER, *["unknown"] * 2, id="one without a proxy"
        ),
        pytest.param({**AT_ITS_CALLER, "response_code": ""}, CALLER, "web", "v7", id="TCP by mutual TLS"),
        pytest.param(
            {**AT_ITS_CALLER, "response_code": "", "destination_principal": "-"},
            CALLER,
            *["unknown"] * 2,
            id="TCP in plain text",
        ),
        pytest.param(AT_CALLED, APART, "web", "v7", id="itself"),
    ],
)
def test_app_and_version_are_those_of_the_pods_labels(about: dict[str, str], own: str, app: str, version: str) -> None:
    labels = labels_on_the_page(about, own, exchanged=lambda name: {IDENTITY: APART}.get(name, ""))
    assert (labels["destination_app"], labels["destination_version"]) == (app, version)


@pytest.mark.parametrize(
    ("about", "app"),
    [
        pytest.param({**AT_CALLED, "peer": APART}, "web", id="a caller's header"),
        pytest.param(
            {**AT_CALLED, "peer": "", "response_code": "", "address": "127.66.0.9"},
            "web",
            id="a TCP caller's handshake",
        ),
        pytest.param(
            {"reporter": "waypoint", "address": "127.66.0.9", "destination_service": SERVICE},
            "front",
            id="baggage, which has canonical names alone",
        ),
    ],
)
def test_a_callers_app_is_what_it_told(about: dict[str, str], app: str) -> None:
    labels = labels_on_the_page(about, CALLED, at=lambda _: APART)
    assert (labels["source_app"], labels["source_canonical_service"]) == (app, "front")


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        pytest.param({}, "web-1;shop;web-1;latest;Kubernetes;web-1;", id="none"),
        pytest.param({"app": "a", "version": "v1"}, "web-1;shop;a;v1;Kubernetes;a;v1", id="the usual two"),
        pytest.param(
            {
                "app": "a",
                "version": "v1",
                "service.istio.io/canonical-name": "c",
                "service.istio.io/canonical-revision": "r",
            },
            "web-1;shop;c;r;Kubernetes;a;v1",
            id="canonical names of their own",
        ),
        pytest.param(
            {"app": "a", "version": "v1", "app.kubernetes.io/name": "k", "app.kubernetes.io/version": "9"},
            "web-1;shop;k;9;Kubernetes;k;9",
            id="the recommended labels win",
        ),
        pytest.param(
            {"service.istio.io/canonical-name": "c"}, "web-1;shop;c;latest;Kubernetes;c;", id="a canonical name alone"
        ),
    ],
)
def test_what_a_pod_tells_of_itself(labels: dict[str, str], text: str) -> None:
    assert workloads.metadata({"metadata": {"name": "web-1", "namespace": "shop", "labels": labels}}) == text


def test_a_telemetry_adds_labels_and_takes_labels_away() -> None:
    tags = tags_of(AT_CALLER, team="shop", response_code="GET", without="source_version source_app")
    labels = istio_metrics.labels_of(tags, CALLER)
    assert {"team": "shop", "response_code": "GET"}.items() <= labels.items()
    assert not {"source_version", "source_app", "without"} & labels.keys()


def written(about: dict[str, str]) -> str:
    return ",".join(f'{name}="{value}"' for name, value in tags_of(about).items())


def test_series_that_istio_does_not_tell_apart_are_one() -> None:
    name = "envoy_istiocustom_istio_requests_total"
    lines = [
        f"# TYPE {name} counter",
        f"{name}{{{written({**AT_CALLER, 'request_host': 'reviews:9080'})}}} 3",
        f"{name}{{{written({**AT_CALLER, 'request_host': 'reviews.default:9080'})}}} 4",
        "# TYPE envoy_server_uptime gauge",
        "envoy_server_uptime{} 5",
    ]
    families = {
        family.name: family.samples
        for family in parser.text_string_to_metric_families(
            istio_metrics.translated("\n".join(lines), CALLER, istio_metrics.Peers())
        )
    }
    assert [sample.value for sample in families["istio_requests"]] == [7]
    assert [sample.value for sample in families["envoy_server_uptime"]] == [5]


def test_messages_of_grpc_are_counted_by_call_and_multiplied() -> None:
    name = "envoy_istiocustom_istio_request_messages_total"
    tags = written({**AT_CALLER, "grpc_response_status": "0"})
    lines = [
        f'{name}{{{tags},messages="{{\\"requestMessageCount\\":\\"{n}\\"}}"}} {calls}' for n, calls in ((1, 5), (3, 2))
    ]
    (line,) = [
        text
        for text in istio_metrics.translated("\n".join(lines), CALLER, istio_metrics.Peers()).splitlines()
        if "{" in text
    ]
    assert line.endswith("} 11")
    assert "messages=" not in line


def test_who_calls_by_plain_tcp_is_told_by_an_address_that_mutual_tls_proves() -> None:
    name = "envoy_istiocustom_istio_tcp_connections_opened_total"
    tags = {"reporter": "destination", "destination_service": SERVICE, "address": "127.66.0.9", **PROOF}
    bare = {**tags, "source_principal": "", "destination_principal": ""}
    text = istio_metrics.translated(
        f"{name}{{{written(tags)}}} 1\n{name}{{{written(bare)}}} 2", CALLED, istio_metrics.Peers(at=lambda _: CALLER)
    )
    assert [line.split('source_workload="')[1].split('"')[0] for line in text.splitlines() if "{" in line] == [
        "productpage-v1",
        "unknown",
    ]


POD = {
    "metadata": {"name": "web-1", "namespace": "shop", "labels": {"app": "web"}},
    "spec": {
        "containers": [
            {
                "name": "istio-proxy",
                "env": [
                    {
                        "name": "ISTIO_PROMETHEUS_ANNOTATIONS",
                        "value": '{"scrape":"true","path":"/own","port":"8080"}',
                    }
                ],
            }
        ]
    },
}


def test_the_apps_own_metrics_come_last_and_a_query_goes_to_envoy() -> None:
    asked: list[tuple[int, str]] = []

    async def streams(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            line = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0].decode()
            asked.append((port, line.split(" ")[1]))
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nown 1\r\n1\r\n\n\r\n0\r\n\r\n")
            writer.close()
            server.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        return await asyncio.open_connection(*server.sockets[0].getsockname())

    page = metrics_page.Page(pod=POD, streams=streams)
    text = asyncio.run(page.text("usedonly&filter=istio_requests_total"))
    query = "/stats/prometheus?usedonly&filter=istio_requests_total"
    assert asked[1:] == [(15000, "/certs"), (15000, query), (8080, "/own")]
    assert text.endswith("own 1\n")
    assert "istio_agent_scrapes_total 1" in text


def test_an_app_that_does_not_answer_is_counted_and_envoys_part_is_there() -> None:
    async def streams(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        raise ConnectionRefusedError

    page = metrics_page.Page(pod=POD, streams=streams)
    text = asyncio.run(page.text(""))
    assert 'istio_agent_scrape_failures_total{type="application"} 1' in text


def test_the_certificate_of_the_workload_says_how_long_it_lives() -> None:
    own = {"subject_alt_names": [{"uri": "spiffe://x/ns/default/sa/a"}], "expiration_time": "2026-12-01T17:14:15Z"}
    page = {"certificates": [{"cert_chain": []}, {"cert_chain": [{"subject_alt_names": [{"dns": "a"}]}, own]}]}
    assert metrics_page.expiry(json.dumps(page)) == 1796145255.0
    assert [metrics_page.expiry(text) for text in ("", "{}", "no JSON")] == [None, None, None]
