"""A line of an access log, field by field."""

import json

import pytest

from labkit.mesh.envoy import access_logs
from labkit.telemetry import accesslogs, logfields
from labkit.views import logtable

LINE = (
    '[2026-11-30T12:00:00.000Z] "GET /reviews/0 HTTP/1.1" 503 UF,URX upstream_reset_before_response_started{x} - '
    '"delayed_connect_error:_111" 0 91 12 - "-" "curl/8" "4711" "reviews:9080" "127.66.0.4:9080" '
    "outbound|9080|v2|reviews.default.svc.cluster.local - 10.96.0.7:9080 127.66.0.9:40000 - default"
)
GOOD = LINE.replace("503 UF,URX upstream_reset_before_response_started{x}", "200 - via_upstream").replace(
    '12 - "-"', '12 9 "-"'
)


def meanings(text: str) -> dict[str, str]:
    return {field.name: field.meaning for field in logfields.fields(text)}


def test_every_field_of_istios_format_is_explained() -> None:
    assert set(logfields.ORDER) == set(access_logs.FIELDS)
    assert set(meanings(LINE)) == set(access_logs.FIELDS)


def test_text_and_json_explain_alike() -> None:
    document = {name: None if value == "-" else value for name, value in accesslogs.named(LINE).items()}
    document.pop("request")
    assert meanings(json.dumps(document)) == meanings(LINE)


@pytest.mark.parametrize(
    ("text", "field", "said"),
    [
        pytest.param(LINE, "response_code", "the server side failed", id="a status"),
        pytest.param(LINE, "response_flags", "no connection to the upstream", id="flags"),
        pytest.param(LINE, "upstream_cluster", "port 9080, subset v2", id="a cluster"),
        pytest.param(LINE, "upstream_service_time", "never answered", id="no answer"),
        pytest.param(GOOD, "upstream_service_time", "3 more were spent here", id="the time of each"),
        pytest.param(GOOD, "response_code_details", "came from where the request went", id="details"),
        pytest.param(
            GOOD.replace("outbound|9080|v2|reviews.default.svc.cluster.local", "inbound|9080||"),
            "upstream_cluster",
            "own app, on port 9080",
            id="its own app",
        ),
    ],
)
def test_a_meaning_depends_on_the_value(text: str, field: str, said: str) -> None:
    assert said in meanings(text)[field]


def test_any_other_line_has_no_fields() -> None:
    assert logfields.fields("[warning] something else") == []


def test_a_table_counts_flags_and_its_lines_explain_themselves() -> None:
    table = logtable.LogTable(steps=accesslogs.every({"curl-1": f"{GOOD}\nnoise\n{LINE}"}))
    assert table.flags == {"": 1, "UF,URX": 1}
    assert "no connection to the upstream" in repr(table)
    (bad,) = [entry for entry in table if entry.flags]
    assert "subset v2" in repr(bad.explain())


def test_untrusted_text_stays_text() -> None:
    table = logtable.LogTable(steps=accesslogs.every({"curl-1": LINE.replace("/reviews/0", "/<b>")}))
    assert "<b>" not in table._repr_html_() + table[0].explain()._repr_html_()


def test_an_empty_table_says_what_to_do() -> None:
    assert "lab.access_logs()" in repr(logtable.LogTable(steps=[]))
