"""Access logs as a live view: what a filter keeps, what a row opens, and the twins."""

import pytest

from labkit.base import errors
from labkit.telemetry import accesslogs, logfilters
from labkit.telemetry.logfilters import LineFilter
from labkit.views import logs

LINE = (
    '[2026-11-30T12:00:0{second}.000Z] "GET {path} HTTP/1.1" {status} {flags} via_upstream - "-" 0 9 12 9 "-" "curl/8" '
    '"id" "reviews:9080" "127.66.0.4:9080" outbound|9080|v2|reviews.default.svc.cluster.local - - - - default'
)


def steps(*lines: tuple[str, str, int, str]) -> list[accesslogs.Step]:
    """Lines of ``(proxy, path, status, flags)``, a second apart."""
    return [
        step
        for second, (proxy, path, status, flags) in enumerate(lines)
        for step in accesslogs.every({proxy: LINE.format(second=second, path=path, status=status, flags=flags)})
    ]


STEPS = steps(
    ("reviews-v1", "/reviews/0", 200, "-"),
    ("productpage-v1", "/productpage", 503, "-"),
    ("reviews-v2", "/reviews/1", 0, "DC"),
    ("curl-1", "/get", 503, "UF,URX"),
)


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        pytest.param({}, [0, 1, 2, 3], id="no filter keeps all"),
        pytest.param({"proxy": "reviews"}, [0, 2], id="how the pod's name begins"),
        pytest.param({"path": "/reviews"}, [0, 2], id="a part of the path"),
        pytest.param({"status": 503}, [1, 3], id="a status"),
        pytest.param({"flags": "UF"}, [3], id="one flag among others"),
        pytest.param({"failed": True}, [1, 2, 3], id="a flag, a status of 500 and above, no answer"),
        pytest.param({"failed": True, "path": "/get"}, [3], id="all of them at once"),
    ],
)
def test_a_filter_keeps_what_matches_all_of_it(words, kept):
    view = logs.LogView.of_steps(STEPS, only=logfilters.of_words(words))
    assert [entry.step for entry in view.lines] == [STEPS[n] for n in kept]
    assert (view.fitting, view.count, len(view.table())) == (len(kept), 4, len(kept))


def test_an_unknown_word_is_named_with_those_there_are():
    with pytest.raises(errors.SetupError, match="has no code; lines are chosen by proxy, path, status, flags, failed"):
        logfilters.of_words({"code": 503})


def test_the_filter_of_the_page_holds_for_old_lines_and_new_ones():
    view = logs.LogView.of_steps(STEPS)
    view.flags = " uf "
    assert [row["cells"][0] for row in view.rows] == ["curl-1"]
    view.take(steps(("details-v1", "/details/0", 503, "UF")))
    assert [row["cells"][0] for row in view.rows] == ["curl-1", "details-v1"]
    view.status = "what"
    assert view.rows == [] and view.fitting == 0


def test_a_row_opens_its_fields():
    view = logs.LogView.of_steps(STEPS)
    view.selected = view.rows[-1]["key"]
    assert view.text.startswith("curl-1: [2026") and ["response_flags", "UF,URX"] in [f[:2] for f in view.fields]
    view.selected = ""
    assert (view.text, view.fields) == ("", [])


def test_a_page_gets_the_newest_lines_and_memory_stays_bounded():
    view = logs.LogView.of_steps([STEPS[0]] * (logs.KEPT + 50))
    assert (view.count, len(view.rows)) == (logs.KEPT, logs.SHOWN)


def test_a_look_that_fails_says_why_and_the_next_one_takes_it_back():
    answers = iter([errors.LabError("no pods"), STEPS[:1]])

    def read():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    view = logs.LogView(read, every=None).look()
    assert view.message == "no pods"
    assert (view.look().message, view.count) == ("", 1)


def test_the_static_form_says_the_filter_and_escapes_what_callers_wrote():
    text = logs.LogView.of_steps(steps(("a", "/<b>", 503, "-")), only=LineFilter(failed=True)).static_html()
    assert "1 of 1 lines: only failures" in text and "/&lt;b&gt;" in text and "/<b>" not in text
    assert repr(logs.LogView.of_steps(STEPS, only=LineFilter(status=503))) == "Logs(2 of 4 lines, status 503)"
