"""The descriptor file as the rate limit service reads it."""

import pytest

from labkit.sandbox.apps.ratelimit import configuration

SHOP = """
domain: shop
descriptors:
  - key: PATH
    value: /login
    rate_limit: {unit: minute, requests_per_unit: 5}
  - key: PATH
    value: /api/*
    rate_limit: {unit: minute, requests_per_unit: 20}
  - key: PATH
    rate_limit: {unit: Hour, requests_per_unit: 1000}
  - key: tenant
    value: 007
    rate_limit: {unlimited: true}
  - key: tenant
    rate_limit: {unit: day, requests_per_unit: 100, unit_multiplier: 2, name: tenant}
    descriptors:
      - key: user
        rate_limit: {unit: second, requests_per_unit: 3, replaces: [{name: tenant}]}
        shadow_mode: true
  - key: outer
    descriptors:
      - key: inner
        value: one
        rate_limit: {unit: second, requests_per_unit: 1}
"""


@pytest.mark.parametrize(
    ("entries", "key"),
    [
        pytest.param([("PATH", "/login")], "shop.PATH_/login", id="the exact value"),
        pytest.param([("PATH", "/api/v1")], "shop.PATH_/api/*", id="a wildcard before the key alone"),
        pytest.param([("PATH", "/other")], "shop.PATH", id="the key alone"),
        pytest.param([("tenant", "a"), ("user", "u")], "shop.tenant.user", id="two levels"),
        pytest.param([("outer", "x")], None, id="a level without a limit"),
        pytest.param([("outer", "x"), ("inner", "one")], "shop.outer.inner_one", id="a value below any value"),
        pytest.param([("outer", "x"), ("inner", "two")], None, id="another value"),
        pytest.param([("PATH", "/login"), ("user", "u")], None, id="deeper than the file"),
        pytest.param([("tenant", "007"), ("user", "u")], None, id="the exact value hides what is below the key alone"),
        pytest.param([("nobody", "")], None, id="an unknown key"),
    ],
)
def test_a_descriptor_has_the_limit_of_its_own_depth(entries: list[tuple[str, str]], key: str | None) -> None:
    limit = configuration.limit_of(configuration.read({"config.yaml": SHOP}), "shop", entries)
    assert (limit.key if limit else None) == key


def test_what_the_file_says_is_shown_as_the_service_shows_it() -> None:
    lines = [str(limit) for limit in configuration.limits(configuration.read({"config.yaml": SHOP}))]
    assert lines[0] == "shop.PATH_/login: unit=MINUTE requests_per_unit=5, shadow_mode: false"
    assert "shop.tenant_007: unlimited" in lines
    assert "shop.tenant: unit=DAY requests_per_unit=100, unit_multiplier=2, shadow_mode: false" in lines


DETAILS = """
domain: shop
descriptors:
  - key: path
    value: files/*
    share_threshold: true
    rate_limit: {unit: minute, requests_per_unit: 5}
  - key: path
    value: api/*
    value_to_metric: true
    descriptors:
      - key: user
        rate_limit: {unit: minute, requests_per_unit: 5}
  - key: all
    descriptors:
      - key: user
        detailed_metric: true
        rate_limit: {unit: minute, requests_per_unit: 5}
  - key: plain
    value: a*
    rate_limit: {unit: minute, requests_per_unit: 5}
"""


@pytest.mark.parametrize(
    ("entries", "statistic", "counted"),
    [
        pytest.param([("path", "files/a")], "shop.path_files/*", [("path", "files/*")], id="a shared threshold"),
        pytest.param([("path", "api/v1"), ("user", "u")], "shop.path_api/v1.user", None, id="one value in the metric"),
        pytest.param([("all", "x"), ("user", "u")], "shop.all_x.user_u", None, id="all values in the metric"),
        pytest.param([("plain", "ab")], "shop.plain_a*", None, id="a wildcard alone"),
    ],
)
def test_a_limit_is_counted_and_measured_by_the_values_that_the_file_says(
    entries: list[tuple[str, str]], statistic: str, counted: list[tuple[str, str]] | None
) -> None:
    limit = configuration.limit_of(configuration.read({"config.yaml": DETAILS}), "shop", entries)
    assert limit is not None
    assert limit.key == statistic
    assert list(limit.counted or entries) == (counted or entries)


LIMIT = "rate_limit: {unit: minute, requests_per_unit: 1}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("descriptors: []", "config file cannot have empty domain", id="no domain"),
        pytest.param("domain: a\ndescriptors: [{value: x}]", "descriptor has empty key", id="no key"),
        pytest.param(
            f"domain: a\ndescriptors: [{{key: k, {LIMIT}}}, {{key: k}}]",
            "duplicate descriptor composite key 'a.k'",
            id="the same twice",
        ),
        pytest.param(
            "domain: a\ndescriptors: [{key: k, rate_limit: {unit: fortnight, requests_per_unit: 1}}]",
            "invalid rate limit unit 'fortnight'",
            id="a unit that there is not",
        ),
        pytest.param(
            "domain: a\ndescriptors: [{key: k, rate_limit: {unit: day, unlimited: true}}]",
            "should not specify rate limit unit when unlimited",
            id="unlimited a day",
        ),
        pytest.param(
            "domain: a\ndescriptors: [{key: k, ratelimit: {}}]",
            "config error, unknown key 'ratelimit'",
            id="a misspelt field",
        ),
        pytest.param(
            "domain: a\ndescriptors: [k]", "yaml file contains list of type other than map: k", id="a text for a map"
        ),
        pytest.param(
            "domain: a\ndescriptors: [{key: k, rate_limit: {unit: day, requests_per_unit: -1}}]",
            "cannot unmarshal '-1' into uint32",
            id="a negative limit",
        ),
        pytest.param(
            "domain: a\ndescriptors: [{key: k, rate_limit: {unit: day, name: n, replaces: [{name: n}]}}]",
            "replaces should not contain name of same descriptor: n",
            id="a limit that replaces itself",
        ),
        pytest.param(
            f"domain: a\ndescriptors: [{{key: k, quota_mode: true, {LIMIT}}}]",
            "quota_mode, by which Envoy's routing learns of a quota, is not carried out here",
            id="what a newer service has",
        ),
        pytest.param(
            f"domain: a\ndescriptors: [{{key: k, value: v, share_threshold: true, {LIMIT}}}]",
            "share_threshold needs a value that ends with '*': 'a.k_v'",
            id="a threshold to share with nobody",
        ),
        pytest.param("domain: [", "error loading config file", id="no YAML"),
        pytest.param("- a", "the file is no map", id="a list"),
    ],
)
def test_a_wrong_file_is_refused_with_the_services_words(text: str, problem: str) -> None:
    with pytest.raises(configuration.ConfigurationError) as refusal:
        configuration.read({"config.yaml": text})
    assert str(refusal.value).startswith("config.yaml: ")
    assert problem in str(refusal.value)


def test_two_files_cannot_have_one_domain() -> None:
    with pytest.raises(configuration.ConfigurationError, match=r"b.yaml: duplicate domain 'shop' in config file"):
        configuration.read({"a.yaml": SHOP, "b.yaml": SHOP})
