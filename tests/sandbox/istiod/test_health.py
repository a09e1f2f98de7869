"""istiod's own metrics: Istio's names, read by the official parser."""

from prometheus_client import parser

from labkit.sandbox.istiod import health

STATE = health.State(
    version="1.31.1", proxies=7, services=9, virtual_services=2, root_expiry=1.8e9, certificates=7, memory=1 << 20
)


def read(counted: health.Health) -> dict[str, list[float]]:
    families = parser.text_string_to_metric_families(health.text(counted, STATE))
    return {family.name: [sample.value for sample in family.samples] for family in families}


def test_pushes_and_rejects_are_counted_by_istios_names_of_the_types() -> None:
    counted = health.Health()
    counted.pushes.update(clusters=3, routes=2)
    counted.rejects["listeners"] += 1
    text = health.text(counted, STATE)
    assert 'pilot_xds_pushes{type="cds"} 3' in text
    assert 'pilot_total_xds_rejects{type="lds"} 1' in text
    assert read(counted)["pilot_xds"] == [7]


def test_convergence_is_a_histogram() -> None:
    counted = health.Health()
    for seconds in (0.05, 0.7, 40.0):
        counted.convergence.observe(seconds)
    assert read(counted)["pilot_proxy_convergence_time"] == [1, 1, 2, 2, 2, 2, 2, 2, 3, 40.75, 3]


def test_a_time_in_the_far_future_keeps_its_seconds() -> None:
    assert read(health.Health())["citadel_server_root_cert_expiry_timestamp"] == [1.8e9]


def test_times_of_pushes_are_told_by_type() -> None:
    counted = health.Health()
    counted.pushed("clusters", 0.02)
    counted.pushed("routes", 0.2)
    text = health.text(counted, STATE)
    assert 'pilot_xds_push_time_bucket{type="cds",le="0.1"} 1' in text
    assert 'pilot_xds_push_time_bucket{type="rds",le="0.1"} 0' in text
    assert 'pilot_xds_push_time_count{type="rds"} 1' in text


def test_what_the_webhooks_said_is_counted_under_istios_names() -> None:
    counted = health.Health()
    rules = ("networking.istio.io", "v1", "virtualservices")
    counted.validations.update({(*rules, True): 3, (*rules, False): 2})
    counted.injections.update(success=4, skip=1)
    text, numbers = health.text(counted, STATE), read(counted)
    named = 'group="networking.istio.io",version="v1",resource="virtualservices"'
    assert f"galley_validation_passed{{{named}}} 3" in text
    assert f'galley_validation_failed{{{named},reason="invalid_resource"}} 2' in text
    assert [numbers[f"sidecar_injection_{n}"] for n in ("requests", "success", "skip", "failure")] == [
        [5],
        [4],
        [1],
        [0],
    ]
