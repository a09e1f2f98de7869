"""Rate limits as a proxy and the rate limit service tell of them."""

from labkit.telemetry import limits

BUCKET = {"max_tokens": 4, "tokens_per_fill": 2, "fill_interval": "30s"}
DUMP = {
    "configs": [
        {"filter": {"typed_config": {"value": {"stat_prefix": "shop", "token_bucket": BUCKET}}}},
        {"typed_per_filter_config": {"x": {"stat_prefix": "route", "token_bucket": {**BUCKET, "max_tokens": 9}}}},
        {"filter": {"stat_prefix": "empty"}},
    ]
}
STATS = """\
shop.http_local_rate_limit.enabled: 10
shop.http_local_rate_limit.enforced: 5
shop.http_local_rate_limit.ok: 4
shop.http_local_rate_limit.rate_limited: 6
other.http_local_rate_limit.ok: 1
http.x.downstream_rq_total: 3
"""


def test_buckets_are_read_wherever_they_stand():
    assert limits.buckets(DUMP) == {"shop": (4, 60.0), "route": (9, 135.0)}


def test_a_proxy_counts_by_stat_prefix():
    rows = {row.name: row for row in limits.of_proxy(STATS, limits.buckets(DUMP))}
    assert (rows["shop"].allowed, rows["shop"].refused, rows["shop"].shadow) == (5, 5, 1)
    assert (rows["route"].allowed, rows["route"].most) == (0, 9)
    assert (rows["other"].allowed, rows["other"].most) == (1, None)


def test_the_service_counts_by_descriptor():
    prefix = "ratelimit.service.rate_limit"
    stats = (
        f"{prefix}.shop.PATH_/a.b.total_hits: 9\n{prefix}.shop.PATH_/a.b.within_limit: 2\n"
        f"{prefix}.shop.PATH_/a.b.over_limit: 7\n{prefix}.shop.PATH_/a.b.shadow_mode: 3\n"
    )
    configuration = (
        "# not used: config.yaml: invalid rate limit unit 'x'\n"
        "shop.PATH_/a.b: unit=MINUTE requests_per_unit=2, unit_multiplier=5, shadow_mode: false\n"
        "shop.free: unlimited\n"
    )
    first, free = limits.of_service(configuration, stats)
    assert (first.name, first.most, first.per) == ("shop.PATH_/a.b", 2, 300.0)
    assert (first.allowed, first.refused, first.shadow) == (5, 4, 3)
    assert free.most is None
