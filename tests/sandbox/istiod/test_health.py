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
