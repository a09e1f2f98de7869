"""The table twin: asked beside measured, and the sentences about what is odd."""

import pytest

from labkit.views import splittable, windows
from tests.views.conftest import sent


def window(*records):
    created = windows.Window()
    for record in records:
        created.add(record)
    return created


def many(count, version, **more):
    return [sent(version, **more)] * count


def test_a_row_has_what_was_asked_and_what_came():
    first, second = splittable.rows(window(*many(60, "v1"), *many(40, "v2", ms=4.0)), {"v1": 50, "v2": 50})
    assert (first["asked"], first["measured"], first["requests"], first["agrees"]) == (0.5, 0.6, 60, True)
    assert second["expected"] == [31, 69] and second["latency_ms"] == 4.0


def test_few_requests_get_no_verdict():
    rows = splittable.rows(window(*many(splittable.TOO_FEW - 1, "v2")), {"v1": 50, "v2": 50})
    assert [row["agrees"] for row in rows] == [None, None]


def test_a_version_that_nobody_asked_for_disagrees():
    rows = splittable.rows(window(*many(99, "v1"), sent("v3")), {"v1": 100})
    assert rows[1]["version"] == "v3" and rows[1]["agrees"] is False


@pytest.mark.parametrize(
    ("record", "name"),
    [
        pytest.param(sent("", status=503), splittable.LOST, id="failed without a version"),
        pytest.param(sent("", status=200), splittable.UNNAMED, id="a good answer of something else"),
    ],
)
def test_what_no_version_answered_has_a_row_of_its_own(record, name):
    last = splittable.rows(window(*many(3, "v1"), record), {"v1": 100})[-1]
    assert (last["version"], last["requests"], last["measured"], last["asked"]) == (name, 1, 0.25, None)


def test_a_failure_of_a_version_is_in_its_row():
    (row,) = splittable.rows(window(sent("v1"), sent("v1", status=500)), {"v1": 100})
    assert (row["requests"], row["failed"]) == (2, 1)


def test_without_weights_nothing_is_judged():
    rows = splittable.rows(window(*many(50, "v1")), {"v1": 0, "v2": 0})
    assert [row["agrees"] for row in rows] == [None, None]


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        pytest.param({"v1": 90, "v2": 10}, "", id="100"),
        pytest.param(
            {"v1": 1, "v2": 3},
            "The weights sum to 4, not 100. Istio accepts that and sends v1 25.0%, v2 75.0%.",
            id="4",
        ),
        pytest.param({"v1": 0}, "All weights are 0: Istio then sends everything to the first destination.", id="0"),
    ],
)
def test_weights_that_do_not_sum_to_100_get_a_remark(weights, text):
    assert splittable.remark(weights) == text


@pytest.mark.parametrize(
    ("records", "text"),
    [
        pytest.param([sent()], "", id="all is well"),
        pytest.param([], "", id="nothing was sent"),
        pytest.param(
            [sent(), sent("", status=503, error="no healthy upstream")],
            "1 of the last 2 requests failed; the last one: 503 no healthy upstream",
            id="some fail",
        ),
        pytest.param(
            [sent("", status=0, error="connection refused")],
            "The gateway does not answer: no answer connection refused.\n"
            "Next: ./lab status shows what runs; lab.expose() opens the gateway again.",
            id="the gateway is down",
        ),
    ],
)
def test_trouble_is_told_with_the_next_step(records, text):
    assert splittable.trouble(window(*records)) == text


@pytest.mark.parametrize("source", ['"STDIN"', "VirtualService reviews"])
def test_a_refused_patch_names_the_object_and_the_field_only(source):
    text = (
        'Error from server: error when applying patch:\n{"spec": 1}\nto:\nResource: "networking.istio.io/v1, '
        'Resource=virtualservices", GroupVersionKind: "networking.istio.io/v1, Kind=VirtualService"\n'
        f'Name: "reviews", Namespace: "default"\nfor: {source}: error when patching {source}: admission webhook '
        '"rev.validation.istio.io" denied the request: configuration is invalid: weight -10 < 0'
    )
    assert splittable.refusal(text).splitlines()[1] == (
        'VirtualService reviews: admission webhook "rev.validation.istio.io" denied the request: '
        "configuration is invalid: weight -10 < 0"
    )


def test_the_text_form_is_aligned():
    rows = splittable.rows(window(*many(3, "v1"), sent("v2")), {"v1": 90, "v2": 10})
    assert splittable.as_text(rows).splitlines()[:2] == [
        "version   asked   measured   requests   expected   failed   median latency",
        "v1        90%     75.0%      3          –          0        2.0 ms",
    ]


def test_the_static_form_shows_bars_the_table_the_rules_and_the_yaml():
    rows = splittable.rows(window(*many(9, "v1"), sent("v2")), {"v1": 90, "v2": 10})
    html = splittable.static_html("reviews", rows, "kind: VirtualService", kept=[{"when": "a is b", "to": "v2"}])
    assert all(part in html for part in ("width:90.0%", "<table>", "a is b → v2", "kind: VirtualService"))


def test_the_static_form_escapes_what_the_mesh_says():
    rows = splittable.rows(window(sent("<img onerror=x>")), {"v1": 100})
    html = splittable.static_html("<b>", rows, "<script>", kept=[{"when": "<i>", "to": "<u>"}])
    assert not any(tag in html for tag in ("<img", "<b>", "<script", "<i>", "<u>"))
